/** Who a restored machine is: new in every run. */
import { randomBytes } from "node:crypto";
import type { MachinePlan } from "../../plan/machine-plan.ts";
import type { RunKeys } from "../../ssh/keys.ts";
import { ENTROPY_BYTES, type Identity } from "../../wire/identity.ts";

export function makeIdentity(name: string, keys: RunKeys, plan: MachinePlan): Identity {
	return {
		hostKey: keys.host.private,
		authorizedKey: keys.client.public,
		hostname: hostnameOf(name),
		machineId: randomBytes(16).toString("hex"),
		unixMs: Date.now(),
		entropy: randomBytes(ENTROPY_BYTES).toString("base64"),
		gpu: plan.gpu === "virgl" || plan.gpu === "software" ? plan.gpu : "none",
		gpuFallback: plan.gpuFallback,
		scale: plan.window.scale,
		sessionLater: plan.sessionLater,
	};
}

/** A machine's name as a host name may be (RFC 1123). */
export function hostnameOf(name: string): string {
	const label = name.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-");
	return label.slice(0, 63).replaceAll(/^-+|-+$/g, "") || "virtualghost";
}
