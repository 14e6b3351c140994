/** A machine that is made into a snapshot holds no key. When it is restored, it learns here who it is, and that is all new. */
import { ptr } from "bun:ffi";
import { randomBytes } from "node:crypto";
import { closeSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { decodeIdentity, IDENTITY_LINE_BYTES_MAX, type Identity, identitySchema } from "../src/wire/identity.ts";
import { GUEST_PATH, PROTOCOL_VERSION, SESSION_LATER_OPTION } from "../src/wire/names.ts";
import { type Credentials, parseCredentials } from "./credentials.ts";
import { readFromHost, sendEvent } from "./events.ts";
import { setHostname } from "./greeting.ts";
import { hasKernelOption } from "./kernel-options.ts";
import { libc } from "./libc.ts";
import { renewCardAddress } from "./network-card.ts";
import { rehearse } from "./rehearsal.ts";

const PRELOAD = "/usr/lib/virtualghost/preload";
const keysSchema = identitySchema.pick({ hostKey: true, authorizedKey: true });
const SAY_AGAIN_MS = 500;
const CLOCK_REALTIME = 0;
/** linux/random.h */
const RNDADDENTROPY = 0x40085203n;
const RNDRESEEDCRNG = 0x5207n;
/** BoringSSL takes new random bytes from the kernel after 4,096 requests of a thread (kReseedInterval, crypto/fipsmodule/rand). */
const REQUESTS_UNTIL_RESEED = 4100;

/** What an agent that served this machine before was told; null if this is the first one. */
export function readKeptKeys(): Credentials | null {
	try {
		return parseCredentials(keysSchema.parse(JSON.parse(readFileSync(GUEST_PATH.keys, "utf8"))));
	} catch {
		return null;
	}
}

/** Says that it waits until the host tells this machine who it is. @throws Error if the keys are none */
export async function receiveIdentity(): Promise<Credentials> {
	if (hasKernelOption(SESSION_LATER_OPTION))
		await Bun.spawn([PRELOAD], { stdio: ["ignore", "ignore", "ignore"] }).exited;
	await rehearse(reseed);
	const say = () => sendEvent({ event: "waiting", protocol: PROTOCOL_VERSION });
	say();
	const again = setInterval(say, SAY_AGAIN_MS);
	const identity = await readFromHost(IDENTITY_LINE_BYTES_MAX, decodeIdentity);
	clearInterval(again);
	apply(identity);
	return parseCredentials(identity);
}

/** The random pool first: what comes after may draw from it. */
function apply(identity: Identity): void {
	reseed(Buffer.from(identity.entropy, "base64"));
	setClock(identity.unixMs);
	setHostname(identity.hostname);
	writeFileSync("/etc/machine-id", `${identity.machineId}\n`);
	renewCardAddress();
	if (identity.scale !== 1) writeFileSync(GUEST_PATH.scale, `${identity.scale}\n`);
	if (identity.gpu === "virgl") startGpuSession(identity);
	// Last: with it there, nothing of the above is done again.
	const { hostKey, authorizedKey } = identity;
	writeFileSync(GUEST_PATH.keys, JSON.stringify({ hostKey, authorizedKey }), { mode: 0o600 });
}

/** The kernel's generator gets bytes that no other machine has, and everything drawn before is forgotten; so does our own. */
function reseed(entropy: Buffer): void {
	// struct rand_pool_info: bits, bytes, data
	const info = Buffer.alloc(8 + entropy.length);
	info.writeInt32LE(entropy.length * 8, 0);
	info.writeInt32LE(entropy.length, 4);
	entropy.copy(info, 8);
	const fd = openSync("/dev/random", "r+");
	const added = libc.ioctl(fd, RNDADDENTROPY, ptr(info)) === 0 && libc.ioctl(fd, RNDRESEEDCRNG, null) === 0;
	closeSync(fd);
	if (!added) throw new Error("the kernel takes no entropy: this machine would share its secrets with its twins");
	for (let i = 0; i < REQUESTS_UNTIL_RESEED; i++) randomBytes(1);
}

function setClock(unixMs: number): void {
	const time = new BigInt64Array([BigInt(Math.floor(unixMs / 1000)), BigInt(unixMs % 1000) * 1_000_000n]);
	libc.clock_settime(CLOCK_REALTIME, ptr(time));
}

/** Its driver was kept out until now: before, the card could do less. */
function startGpuSession({ gpuFallback, sessionLater }: Identity): void {
	writeFileSync(GUEST_PATH.gpu, `virgl${gpuFallback ? " software" : ""}\n`);
	// At the same time: the session's unit waits for the card.
	const start = sessionLater ? "" : "systemctl start --no-block virtualghost-session.service & ";
	const script = `${start}exec modprobe virtio_gpu`;
	Bun.spawn(["/bin/sh", "-c", script], { stdio: ["ignore", "inherit", "inherit"] });
}
