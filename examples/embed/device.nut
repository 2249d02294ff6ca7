// The device's half: a thermometer, and a light that a button switches.

server.setsendtimeoutpolicy(RETURN_ON_ERROR, WAIT_TIL_SENT, 10);

light <- hardware.pin2;
light.configure(DIGITAL_OUT, 0);

button <- hardware.pin5;
button.configure(DIGITAL_IN, function() { light.write(button.read()); });

thermometer <- hardware.pin1;
thermometer.configure(ANALOG_IN);

function measure() {
    imp.wakeup(10, measure);
    tandem.post("celsius", thermometer.read() * 100.0 / 65535);
}
measure();
