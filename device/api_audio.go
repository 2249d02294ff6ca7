package device

import "github.com/tandem-iot/tandem/imp"

// audioAPI has what samples and converts signals at a fixed rate.
var audioAPI = imp.API{
	Functions: []imp.Function{
		{
			Name: "hardware.sampler.configure", On: imp.OnDevice,
			Params: []imp.Param{
				{Name: "pins", Type: "x|a", Doc: "a pin, or an array of pins: all of them are sampled each time"},
				{Name: "rate", Type: "number", Doc: "samples in a second"},
				{
					Name: "buffers", Type: "array",
					Doc: "1 to 8 blobs, which are filled in turn; their lengths are multiples of twice the number of pins",
				},
				{Name: "callback", Type: "handler", Doc: "called with each full buffer and the number of its bytes"},
				{Name: "filters", Type: "integer", Optional: true, Doc: "NORMALISE, A_LAW_COMPRESS, combined by |"},
			},
			Throws: []string{"this pin does not support that mode", "there must be 1 to 8 buffers"},
			Doc: "Prepares the sampler. A sample has 16 bits, the lowest byte first, of which the upper 12 are precise; " +
				"with A_LAW_COMPRESS it has 8. Samples of several pins follow each other. When the program does not keep " +
				"up, samples are lost, and the callback gets null and 0.",
			Source: docs + "2531", Fn: samplerConfigure,
			Example: samplerExample,
		},
		{
			Name: "hardware.sampler.start", On: imp.OnDevice, Throws: []string{"call sampler.configure first"},
			Doc: "Starts sampling.", Source: docs + "2310", Fn: samplerStart, Example: samplerExample,
		},
		{
			Name: "hardware.sampler.stop", On: imp.OnDevice,
			Doc:    "Stops sampling. The samples that do not fill a buffer go to the callback.",
			Source: docs + "2566", Fn: samplerStop, Example: samplerExample,
		},
		{
			Name: "hardware.sampler.reset", On: imp.OnDevice,
			Doc:    "Stops sampling at once, and forgets the buffers.",
			Source: docs + "2559", Fn: samplerReset, Example: `hardware.sampler.reset();`,
		},
		{
			Name: "hardware.fixedfrequencydac.configure", On: imp.OnDevice,
			Params: []imp.Param{
				{Name: "output", Type: "instance", Doc: "a pin with ANALOG_OUT, or hardware.pwmpairKD"},
				{Name: "rate", Type: "number", Doc: "samples in a second"},
				{Name: "buffers", Type: "array", Doc: "1 to 8 blobs of samples, which are converted in turn"},
				{
					Name: "callback", Type: "handler",
					Doc: "called with each buffer that is consumed, and with null when there is no other",
				},
				{Name: "flags", Type: "integer", Optional: true, Doc: "A_LAW_DECOMPRESS, AUDIO, combined by |"},
			},
			Throws: []string{"parameter 1 must be a pin with ANALOG_OUT", "there must be 1 to 8 buffers"},
			Doc: "Prepares the converter. A sample has 16 bits, the lowest byte first; with A_LAW_DECOMPRESS it has 8. " +
				"AUDIO has no effect: a simulated pin has no load.",
			Source: docs + "2581", Fn: converterConfigure,
			Example: converterExample,
		},
		{
			Name: "hardware.fixedfrequencydac.start", On: imp.OnDevice,
			Throws: []string{"call fixedfrequencydac.configure first"},
			Doc:    "Starts to convert.", Source: docs + "2522", Fn: converterStart, Example: converterExample,
		},
		{
			Name: "hardware.fixedfrequencydac.stop", On: imp.OnDevice,
			Params: []imp.Param{{Name: "flag", Type: "integer", Optional: true, Doc: "SYNC; it has no effect"}},
			Doc: "Stops, and forgets the buffers that wait. A buffer's callback comes when its last sample has ended, " +
				"so there is nothing to wait for.",
			Source: docs + "2527", Fn: converterStop, Example: converterExample,
		},
		{
			Name: "hardware.fixedfrequencydac.addbuffer", On: imp.OnDevice,
			Params: []imp.Param{{Name: "buffer", Type: "instance", Doc: "a blob of samples"}},
			Throws: []string{"call fixedfrequencydac.configure first", "8 buffers wait already"},
			Doc:    "Adds a buffer to those that wait to be converted.",
			Source: docs + "2540", Fn: converterAddBuffer, Example: converterExample,
		},
	},
	Constants: []imp.Constant{
		audioFlag("NORMALISE", audioNormalise, "Flag of sampler.configure: move the signal's mean to the middle."),
		audioFlag("A_LAW_COMPRESS", audioCompress, "Flag of sampler.configure: 8 bits a sample, by A-law."),
		audioFlag("A_LAW_DECOMPRESS", audioDecompress, "Flag of fixedfrequencydac.configure: samples have 8 bits, by A-law."),
		audioFlag("AUDIO", audioAC, "Flag of fixedfrequencydac.configure; no effect."),
		audioFlag("SYNC", 1, "Flag of fixedfrequencydac.stop; no effect."),
	},
}

func audioFlag(name string, value int, doc string) imp.Constant {
	return imp.Constant{Name: name, On: imp.OnDevice, Value: value, Doc: doc, Source: docs + "795"}
}

const samplerExample = `function ready(buffer, length) {
    if (buffer == null) server.error("Too slow: samples are lost");
    else server.log(length + " bytes");
}
hardware.sampler.configure(hardware.pin2, 1000, [blob(2000), blob(2000)], ready);
hardware.sampler.start();
imp.wakeup(3.5, function() { hardware.sampler.stop(); });`

const converterExample = `local dac = hardware.fixedfrequencydac;
function used(buffer) {
    if (buffer == null) dac.stop();
    else server.log(buffer.len() + " bytes are played");
}
dac.configure(hardware.pin5, 8000, [blob(8000), blob(8000)], used, AUDIO);
dac.start();
dac.addbuffer(blob(4000));`
