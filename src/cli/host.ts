/** The facts about this host that a run decides from, gathered once. */
import type { Config } from "../config/schema.ts";
import { askDesktop } from "../host/desktop.ts";
import { gatherHostFacts } from "../host/facts.ts";
import { askHostGl } from "../host/gl.ts";
import { decideDisplay } from "../plan/decide.ts";
import type { HostFacts } from "../plan/facts.ts";
import { glApi } from "../plan/gpu.ts";
import type { Display } from "../plan/machine-plan.ts";
import type { Context } from "./context.ts";

/** With what only a window needs: the desktop's keyboard and scale, and the host's OpenGL, which takes a quarter of a second to ask. */
export function findHost(context: Context, config: Config, headless: boolean): HostFacts {
	const bare = gatherHostFacts(context.env);
	const hasWindow = displayOf(config, bare, headless) !== "none";
	const host = hasWindow ? { ...bare, desktop: askDesktop(bare.platform, context.env) } : bare;
	if (config.gpu.mode !== "auto" && config.gpu.mode !== "virgl") return host;
	const api = glApi(displayOf(config, host, headless), host);
	return api === null ? host : { ...host, gl: askHostGl(api, context.env) };
}

/** The display that a run would have; none where it could not start. */
export function displayOf(config: Config, host: HostFacts, headless: boolean): Display {
	try {
		return decideDisplay(config, host, { headless }, []);
	} catch {
		return "none";
	}
}
