/** A started machine: QEMU, its helper, its control connection and what is known of its guest, as one scope. */
import { existsSync, rmSync, watch } from "node:fs";
import type { Duplex } from "node:stream";
import { Fault } from "../errors.ts";
import type { PolicyText } from "../filter/policy.ts";
import { isAnswered, openTransport } from "../network/transport.ts";
import { qemuArgv } from "../plan/argv.ts";
import { type CageFacts, cagedQemu, cagedVsockDaemon, whyNoCage } from "../plan/cage.ts";
import { usesExecutable } from "../plan/devices/disks.ts";
import type { QemuFacts } from "../plan/facts.ts";
import type { EarlyFailure } from "../plan/fallback.ts";
import type { MachinePlan } from "../plan/machine-plan.ts";
import { GuestSession } from "../ssh/client.ts";
import type { KeyPair, RunKeys } from "../ssh/keys.ts";
import { encodeIdentity, type Identity } from "../wire/identity.ts";
import { AGENT_VSOCK_PORT } from "../wire/names.ts";
import { GuestGuard, patienceOf, type Trouble } from "./guest-guard.ts";
import { GuestWatch, type Stage } from "./guest-watch.ts";
import type { Instance } from "./instance.ts";
import { INSTANCE_FILE } from "./instance-record.ts";
import type { LogFile, RunLogs } from "./logs.ts";
import { type StartedNetwork, startNetwork } from "./network.ts";
import { Child } from "./process.ts";
import { Qmp, type QmpEvent } from "./qmp.ts";
import { WINDOW_FILE_VARIABLE, WindowFile } from "./window-file.ts";

export interface MachineParts {
	readonly plan: MachinePlan;
	readonly qemu: QemuFacts;
	/** Complete environment of QEMU and its helper. */
	readonly env: Readonly<Record<string, string>>;
	/** Whose sockets and processes these are; the folder is all that they see of it. */
	readonly instance: Pick<Instance, "folder" | "adopt">;
	readonly logs: RunLogs;
	readonly keys: RunKeys;
	/** Null where this host has none. */
	readonly cage: CageFacts | null;
	/** What the guest may reach; null where it reaches nothing, and where nobody filters. */
	readonly policy: PolicyText | null;
	/** Opens the three channels: descriptors on Unix, a listener for QEMU to connect to on Windows. */
	readonly channels: ChannelSource;
	/** The launcher's own executable, open, where images are parts of it. */
	readonly executable: { readonly fd: number; readonly path: string } | null;
	/** A guest that gives no sign of life for so long is ended; 0 for never. */
	readonly hungMs: number;
}

/** How QEMU's three connections reach this process. */
export interface ChannelSource {
	/** Sockets for the child to inherit. */
	readonly inherited: number;
	/** QMP, serial, events. */
	streams(child: Child): Promise<readonly [Duplex, Duplex, Duplex]>;
}

/** How a machine went down, from everything that was seen. */
export interface Ending {
	readonly exitCode: number;
	/** Reason in QMP's SHUTDOWN event: guest-shutdown, guest-reset, host-qmp-quit, … */
	readonly shutdown: string | null;
	readonly panicked: boolean;
	/** Why the launcher has ended it, where nobody asked for that. */
	readonly trouble: Trouble | null;
}

/**
 * Credit that the guest gets, and with it the largest packet that it sends. Beyond 32 KiB Linux (6.12.117) spreads a packet
 * over several descriptors, of which vhost-device-vsock 0.3.0 forwards only the first: bytes are lost and the stream hangs.
 * docs/decisions/vsock-packet-size.md
 */
const VSOCK_TX_BUFFER_BYTES = 28 * 1024;
const VSOCK_DAEMON_TIMEOUT_MS = 10_000;
/** For QEMU to follow "quit"; one that hangs itself follows KILL. */
const QUIT_MS = 1_000;

export class Machine implements AsyncDisposable {
	readonly plan: MachinePlan;
	readonly logs: RunLogs;
	readonly keys: RunKeys;
	readonly qmp: Qmp;
	readonly guest: GuestWatch;
	readonly child: Child;
	/** Null once the guest's network stands, or why it leads nowhere. */
	readonly network: Promise<string | null>;
	/** Resolves when QEMU is gone. */
	readonly ended: Promise<Ending>;
	/** Null without a window. */
	readonly window: WindowFile | null;
	/** The user wants the window closed; a second time QEMU ends at once. */
	onClose: () => void = () => {};
	readonly #scope: AsyncDisposableStack;
	readonly #events: Duplex;
	readonly #sessions = new Set<GuestSession>();
	/** Where this attempt's output begins in QEMU's log; earlier attempts of the run stand before it. */
	readonly #qemuLogStart: number;
	#shutdown: string | null = null;
	#panicked = false;
	#trouble: Trouble | null = null;

	private constructor(
		parts: MachineParts,
		child: Child,
		streams: readonly [Duplex, Duplex, Duplex],
		logs: { readonly serial: LogFile; readonly qemuStart: number },
		window: WindowFile | null,
		network: Promise<string | null>,
		scope: AsyncDisposableStack,
	) {
		const [qmp, serial, events] = streams;
		this.plan = parts.plan;
		this.logs = parts.logs;
		this.keys = parts.keys;
		this.child = child;
		this.window = window;
		this.network = network;
		this.#scope = scope;
		this.#qemuLogStart = logs.qemuStart;
		this.#events = events;
		this.qmp = new Qmp(qmp);
		this.qmp.on("event", (event) => this.#note(event));
		this.guest = new GuestWatch({ serial, events }, logs.serial);
		if (window) narrate(window, this.guest, parts.plan);
		this.#guard(parts.hungMs);
		this.ended = child.exited.then((exitCode) => {
			parts.logs.note(`QEMU ended with ${exitCode} (${this.#shutdown ?? "no word of a shutdown"})`);
			return { exitCode, shutdown: this.#shutdown, panicked: this.#panicked, trouble: this.#trouble };
		});
	}

	/** Starts the helper and QEMU. @throws Fault if either cannot be started; nothing is left running then. */
	static async start(parts: MachineParts): Promise<Machine> {
		await using scope = new AsyncDisposableStack();
		if (parts.plan.control.kind === "vhost-user-vsock") {
			await startVsockDaemon(parts, parts.plan.control, scope);
		}
		const { control } = parts.plan;
		if (control.kind === "unix") scope.defer(() => rmSync(control.path, { force: true }));
		const argv = inCage(parts, [...parts.qemu.command, ...qemuArgv(parts.plan)]);
		parts.logs.note(`starting ${JSON.stringify(argv)}`);
		// Opened before QEMU starts, so that they are closed after it has ended.
		const log = scope.use(parts.logs.open("qemu"));
		const logs = { serial: scope.use(parts.logs.open("serial")), qemuStart: log.size };
		const network = openNetwork(parts, scope);
		const window = openWindowFile(parts, scope);
		const env = window ? { ...parts.env, [WINDOW_FILE_VARIABLE]: window.path } : parts.env;
		const handed = inheritedFiles(parts, network);
		const child = startChild({ ...parts, env }, argv, log, parts.channels.inherited, scope, handed);
		network?.handedOver();
		const streams = await parts.channels.streams(child);
		const outcome = network?.outcome ?? Promise.resolve(null);
		return new Machine(parts, child, streams, logs, window, outcome, scope.move());
	}

	#guard(hungMs: number): void {
		const guard = new GuestGuard(
			{
				qmp: this.qmp,
				isAlive: () => this.guest.has("kernel"),
				answers: (timeoutMs) => isAnswered(this.plan.control, AGENT_VSOCK_PORT, timeoutMs),
				note: (text) => this.logs.note(text),
			},
			patienceOf(hungMs),
		);
		this.guest.onAlive = () => guard.beat();
		void guard.trouble.then((trouble) => this.#giveUp(trouble));
		void this.child.exited.then(() => guard[Symbol.dispose]());
	}

	async #giveUp(trouble: Trouble): Promise<void> {
		this.#trouble = trouble;
		this.logs.note(`the guest is beyond help: ${trouble}`);
		this.qmp.execute("quit").catch(() => {});
		if (!(await this.child.exitsWithin(QUIT_MS))) this.child.kill("SIGKILL");
	}

	#note(event: QmpEvent): void {
		this.logs.note(`QMP ${event.event} ${JSON.stringify(event.data)}`);
		if (event.event === "SHUTDOWN") this.#shutdown = String(event.data.reason ?? "");
		// Nothing else presses the power button.
		if (event.event === "POWERDOWN") this.onClose();
		if (event.event === "GUEST_PANICKED") this.#panicked = true;
	}

	/**
	 * Waits until the guest's kernel runs. A KVM that cannot run it shows in one of three ways: QEMU aborts, the virtual
	 * processor stops with an internal error, or nothing happens at all.
	 *
	 * @returns null, or how it failed.
	 */
	async firstSignOfLife(timeoutMs: number): Promise<EarlyFailure | null> {
		const failed = (kind: EarlyFailure["kind"], exitCode: number | null = null): EarlyFailure => {
			return { kind, output: this.qemuTail(), exitCode };
		};
		const exited = this.child.exited.then((code) => failed("exited", code));
		const broken = this.#internalError().then(() => failed("internal-error"));
		const alive = this.guest.reached("kernel").then(() => null);
		const { promise: silent, resolve } = Promise.withResolvers<EarlyFailure>();
		const timer = setTimeout(() => resolve(failed("silent")), timeoutMs);
		try {
			const negotiated = this.qmp.negotiate().then(
				() => null,
				() => exited,
			);
			const early = await Promise.race([negotiated, silent]);
			return early ?? (await Promise.race([alive, exited, broken, silent]));
		} finally {
			clearTimeout(timer);
		}
	}

	/** Resolves if the virtual processor stops by an error; a bare STOP does not say why, so ask. */
	#internalError(): Promise<void> {
		return new Promise((resolve) => {
			this.qmp.on("event", (event) => {
				if (event.event !== "STOP") return;
				this.qmp.execute("query-status").then(
					(status) => {
						if ((status as { status?: unknown } | null)?.status === "internal-error") resolve();
					},
					() => {},
				);
			});
		});
	}

	/** Waits for a stage of the start. @throws Fault if the machine ends first, the guest gives up, or time runs out. */
	async reach(stage: Stage, timeoutMs: number): Promise<void> {
		const { promise: timeout, resolve } = Promise.withResolvers<"timeout">();
		const timer = setTimeout(() => resolve("timeout"), timeoutMs);
		const reached = this.guest.reached(stage).then(() => "reached" as const);
		const ended = this.child.exited.then(() => "ended" as const);
		const outcome = await Promise.race([reached, ended, timeout]);
		clearTimeout(timer);
		if (outcome === "reached") return;
		const log = this.logs.path("serial");
		if (outcome === "timeout") {
			throw new Fault(`The guest did not come up within ${Math.round(timeoutMs / 1000)} s (waiting for: ${stage})`, {
				fix: "give it more time with --boot-timeout, or look into the log",
				log,
				tail: this.logs.tail("serial"),
			});
		}
		throw new Fault(`The virtual machine ended before it was up (waiting for: ${stage})`, {
			why: this.guest.fatal ?? undefined,
			log,
			tail: this.logs.tail("serial") || this.logs.tail("qemu"),
		});
	}

	/** Tells a restored machine who it is. */
	tell(identity: Identity): void {
		this.#events.write(encodeIdentity(identity));
	}

	/** What QEMU has written since this attempt began. */
	qemuTail(): string {
		return this.logs.tail("qemu", this.#qemuLogStart);
	}

	/** Logs in to the guest's agent. @throws Fault if it cannot be reached, or speaks another protocol. */
	async login(user?: string, identity: KeyPair = this.keys.client): Promise<GuestSession> {
		const foreign = this.guest.foreignProtocol;
		if (foreign) {
			throw new Fault(
				`The guest's agent (${foreign.version}) speaks protocol ${foreign.protocol}, which this launcher does not`,
				{
					fix: "use the image that belongs to this version of virtualghost",
				},
			);
		}
		const transport = await openTransport(this.plan.control, AGENT_VSOCK_PORT).connect();
		const login = { identity: identity.private, hostPublicKey: this.keys.host.public };
		const session = await GuestSession.open(transport, user === undefined ? login : { ...login, user });
		this.#sessions.add(session);
		void session.closed.then(() => this.#sessions.delete(session));
		return session;
	}

	/** The guest is paused on purpose and will not answer for a while: what is logged in is not to be taken for lost. */
	keepSessions(): void {
		for (const session of this.#sessions) session.keep();
	}

	/** Kills what still runs and removes the helper's sockets. */
	async [Symbol.asyncDispose](): Promise<void> {
		await this.#scope.disposeAsync();
	}
}

/** What the window shows until there is a terminal in it, and when there is none any more. */
function narrate(window: WindowFile, guest: GuestWatch, { gpu }: MachinePlan): void {
	const unlessUp = (text: string) => () => {
		if (!guest.has("terminal") && !window.showsGuest) window.say(text);
	};
	void guest.reached("kernel").then(unlessUp("booting"));
	void guest.reached("agent").then(unlessUp("opening the terminal"));
	void guest.reached(gpu === "none" ? "agent" : "terminal").then(() => window.showGuest());
	void guest.reached("ended").then(() => window.say("closing"));
}

function openWindowFile({ plan, instance }: MachineParts, scope: AsyncDisposableStack): WindowFile | null {
	if (plan.display === "none") return null;
	const path = `${instance.folder}/${INSTANCE_FILE.window}`;
	scope.defer(() => rmSync(path, { force: true }));
	return scope.use(new WindowFile(path, plan.window));
}

function startChild(
	parts: MachineParts,
	argv: readonly string[],
	log: LogFile,
	sockets: number,
	scope: AsyncDisposableStack,
	fds: readonly (number | "ignore")[] = [],
): Child {
	const child = scope.use(Child.start({ argv, env: parts.env, log, sockets, fds }));
	parts.instance.adopt(child.pid);
	return child;
}

function inCage(parts: MachineParts, argv: readonly string[]): readonly string[] {
	const { cage, plan, qemu, instance, executable } = parts;
	if (cage === null || !isCaged(parts)) return argv;
	return cagedQemu(cage, plan, qemu, argv, instance.folder, usesExecutable(plan) ? (executable?.path ?? null) : null);
}

function isCaged({ cage, plan }: MachineParts): boolean {
	return cage !== null && whyNoCage(plan) === null;
}

/** In the places that the plan has for them: NETWORK_FD, EXECUTABLE_FD. */
function inheritedFiles(parts: MachineParts, network: StartedNetwork | null): (number | "ignore")[] {
	const { plan, executable } = parts;
	if (!usesExecutable(plan) || isCaged(parts)) return network ? [network.fd] : [];
	if (executable === null) throw new Error("the plan has images in an executable that is not open");
	return [network?.fd ?? "ignore", executable.fd];
}

/** Null where QEMU needs nobody for its network. */
function openNetwork(parts: MachineParts, scope: AsyncDisposableStack): StartedNetwork | null {
	const { plan, qemu, policy } = parts;
	if (plan.network.kind !== "filtered" || plan.snapshot?.role === "make") return null;
	if (policy === null || qemu.passt === null) throw new Fault("The machine's network was not prepared");
	const log = scope.use(parts.logs.open("network"));
	const network = scope.use(startNetwork({ passt: qemu.passt, policy, ipv6: plan.network.ipv6, log }));
	for (const pid of network.pids) parts.instance.adopt(pid);
	return network;
}

async function startVsockDaemon(
	parts: MachineParts,
	control: Extract<MachinePlan["control"], { kind: "vhost-user-vsock" }>,
	scope: AsyncDisposableStack,
): Promise<void> {
	const log = scope.use(parts.logs.open("vsock"));
	scope.defer(() => {
		for (const path of [control.socket, control.vsockPath]) rmSync(path, { force: true });
	});
	const argv = [
		...(parts.qemu.vsockDaemon ?? []),
		"--guest-cid=3",
		`--socket=${control.socket}`,
		`--uds-path=${control.vsockPath}`,
		`--tx-buffer-size=${VSOCK_TX_BUFFER_BYTES}`,
	];
	const { cage, qemu, instance } = parts;
	const caged = cage === null ? argv : cagedVsockDaemon(cage, qemu, argv, instance.folder);
	const child = startChild(parts, caged, log, 0, scope);
	await appears(control.socket, parts.instance.folder, child);
	if (!existsSync(control.socket)) {
		throw new Fault("vhost-device-vsock did not start", { log: log.path, tail: parts.logs.tail("vsock") });
	}
}

/** Waits until a socket is there, its maker has ended, or 10 s are over. */
async function appears(path: string, folder: string, maker: Child): Promise<void> {
	const { promise, resolve } = Promise.withResolvers<void>();
	const watcher = watch(folder, () => existsSync(path) && resolve());
	const timer = setTimeout(resolve, VSOCK_DAEMON_TIMEOUT_MS);
	try {
		if (existsSync(path)) return;
		await Promise.race([promise, maker.exited]);
	} finally {
		clearTimeout(timer);
		watcher.close();
	}
}
