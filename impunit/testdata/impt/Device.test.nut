class DeviceSide extends ImpTestCase { function testPin() { hardware.pin1.configure(DIGITAL_OUT, 1); assertEqual(1, hardware.pin1.read()); } }
