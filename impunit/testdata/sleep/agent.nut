got <- [];
device.on("r", function(x) { got.append(x); });
