#require "Nothing.lib.nut:1.0.0"
