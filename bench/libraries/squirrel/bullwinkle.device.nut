#require "Bullwinkle.class.nut:2.3.2"

bull <- Bullwinkle();
bull.on("temperature", function(message, reply) { reply({ unit = message.data.unit, value = 21.5 }); });
bull.on("note", function(message, reply) {});
