/** The hidden verb `gl-probe API`: one JSON line about the host's OpenGL, or a line on stderr and 1. For host/gl.ts. */
import { EXIT, Fault, reason } from "../errors.ts";
import { type GlApi, probeGl } from "../host/gl-probe.ts";
import { print, printError } from "./output.ts";

const APIS: readonly string[] = ["glx", "egl-x11", "egl-wayland"] satisfies GlApi[];

export function glProbe(flags: { readonly api: string }): number {
	if (!APIS.includes(flags.api)) throw new Fault(`gl-probe knows no "${flags.api}"`, { exitCode: EXIT.usage });
	try {
		print(`${JSON.stringify(probeGl(flags.api as GlApi))}\n`);
		return EXIT.ok;
	} catch (error) {
		printError(`${reason(error)}\n`);
		return EXIT.failure;
	}
}
