/** A machine in the background, for tests that only need to get into one: started once a file, from outside, with the built binary. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { connectHybrid } from "../../src/network/hybrid-vsock.ts";
import { GuestSession } from "../../src/ssh/client.ts";
import { AGENT_VSOCK_PORT } from "../../src/wire/names.ts";
import { BINARY, type Outcome, Sandbox, type ToolOptions, tool } from "./harness.ts";

export class TestMachine implements AsyncDisposable {
	readonly sandbox = new Sandbox();
	readonly name: string;
	/** For `ssh -F`. */
	readonly sshConfig: string;

	private constructor(name: string) {
		this.name = name;
		this.sshConfig = join(this.sandbox.root, "ssh_config");
	}

	/** Boots without a screen unless `flags` say otherwise. @throws Error with what the launcher said */
	static async start(flags: readonly string[] = ["--gpu", "none"], name = "test"): Promise<TestMachine> {
		const machine = new TestMachine(name);
		try {
			const started = await machine.sandbox.run(["run", "--detach", "--accel", "tcg", "--name", name, ...flags]);
			if (started.code !== 0) throw new Error(started.stderr);
			const config = await machine.vg(["ssh-config", name]);
			writeFileSync(machine.sshConfig, config.stdout);
			return machine;
		} catch (error) {
			machine.sandbox[Symbol.dispose]();
			throw error;
		}
	}

	get folder(): string {
		return join(this.sandbox.runtime, "virtualghost", this.name);
	}

	/** The built binary, in this machine's sandbox. */
	vg(args: readonly string[], options: ToolOptions = {}): Promise<Outcome> {
		return tool([BINARY, ...args], { ...options, env: { ...this.sandbox.env, ...options.env } });
	}

	/** Environment of this machine's own programs. */
	get env(): Record<string, string> {
		return { ...this.sandbox.env, PATH: "/usr/bin:/bin" };
	}

	/** A command of the guest's, by OpenSSH. */
	ssh(args: readonly string[], options: ToolOptions = {}): Promise<Outcome> {
		return tool(["ssh", "-F", this.sshConfig, ...args], { ...options, env: { ...this.env, ...options.env } });
	}

	/** The same for programs that call ssh themselves. */
	get sshEnv(): Record<string, string> {
		return {
			...this.env,
			GIT_SSH_COMMAND: `ssh -F ${this.sshConfig}`,
			RSYNC_RSH: `ssh -F ${this.sshConfig}`,
		};
	}

	get identity(): string {
		return readFileSync(join(this.folder, "id_ed25519"), "utf8");
	}

	get hostPublicKey(): string {
		return readFileSync(join(this.folder, "known_hosts"), "utf8").split(" ").slice(1).join(" ");
	}

	/** A raw connection to the agent, before any SSH. */
	connect() {
		return connectHybrid(join(this.folder, "q/vsock"), AGENT_VSOCK_PORT);
	}

	async login(user?: string): Promise<GuestSession> {
		const login = { identity: this.identity, hostPublicKey: this.hostPublicKey };
		return await GuestSession.open(await this.connect(), user === undefined ? login : { ...login, user });
	}

	/** Resident memory of the agent in KiB. */
	async agentKiB(session: GuestSession): Promise<number> {
		const { stdout } = await session.exec("grep VmRSS /proc/$(systemctl show -P MainPID virtualghost-agent)/status");
		return Number(/(\d+) kB/.exec(stdout.toString())?.[1]);
	}

	async [Symbol.asyncDispose](): Promise<void> {
		await this.vg(["stop", this.name, "--force"]);
		this.sandbox[Symbol.dispose]();
	}
}
