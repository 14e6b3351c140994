/** SFTP servers to copy from and to, behind an SSH server as the agent's: OpenSSH's own one, or one that a test writes. */
import { spawn } from "node:child_process";
import net from "node:net";
import type { ServerChannel, SFTPWrapper } from "ssh2";
import ssh2 from "ssh2";
import { RemoteFiles } from "../../../../src/ssh/copy/remote.ts";
import type { CopyProgress, CopyTask } from "../../../../src/ssh/copy/task.ts";
import { generateKeyPair } from "../../../../src/ssh/keys.ts";

export const SFTP_SERVER = "/usr/lib/openssh/sftp-server";

/** What the guest does with its end of the SFTP session. */
export type Behaviour =
	| { readonly serve: (sftp: SFTPWrapper) => void }
	| { readonly raw: (channel: ServerChannel) => void }
	| { readonly loginFolder: string };

export interface Guest extends AsyncDisposable {
	readonly sftp: SFTPWrapper;
	/** A task to copy with, and what it told. */
	task(signal?: AbortSignal, onProgress?: (progress: CopyProgress) => void): CopyTask & { readonly skipped: string[] };
	/** Ends the connection as a machine does that is switched off. */
	vanish(): void;
}

const hostKey = generateKeyPair("test").private;

export async function startGuest(behaviour: Behaviour): Promise<Guest> {
	await using scope = new AsyncDisposableStack();
	const server = scope.adopt(
		new ssh2.Server({ hostKeys: [hostKey], ident: "VirtualGhost" }, (connection) => {
			connection.on("error", () => {});
			connection.on("authentication", (context) => context.accept());
			connection.on("session", (accept) => {
				const session = accept();
				if ("serve" in behaviour) {
					session.on("sftp", (acceptSftp) => behaviour.serve(acceptSftp()));
					return;
				}
				session.on("subsystem", (acceptChannel) => {
					const channel = acceptChannel();
					if ("raw" in behaviour) return behaviour.raw(channel);
					const child = spawn(SFTP_SERVER, ["-e", "-d", behaviour.loginFolder], { stdio: ["pipe", "pipe", "ignore"] });
					channel.pipe(child.stdin);
					child.stdout.pipe(channel);
					child.stdin.on("error", () => {});
					channel.on("close", () => child.kill());
				});
			});
		}),
		(each) => {
			each.close();
		},
	);
	await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
	const client = scope.adopt(new ssh2.Client(), (each) => {
		each.end();
	});
	const { port } = server.address() as net.AddressInfo;
	const socket = net.connect(port, "127.0.0.1");
	await new Promise<void>((resolve, reject) => {
		client.on("ready", resolve).on("error", reject);
		client.connect({ sock: socket, username: "ghost", password: "" });
	});
	client.removeAllListeners("error").on("error", () => {});
	const sftp = await new Promise<SFTPWrapper>((resolve, reject) => {
		client.sftp((error, opened) => (error ? reject(error) : resolve(opened)));
	});
	const moved = scope.move();
	return {
		sftp,
		task: (signal = new AbortController().signal, onProgress = () => {}) => {
			const skipped: string[] = [];
			const remote = moved.use(new RemoteFiles(sftp, signal));
			return { remote, signal, onProgress, platform: "linux", skipped, onSkip: (text) => skipped.push(text) };
		},
		vanish: () => socket.destroy(),
		[Symbol.asyncDispose]: () => moved.disposeAsync(),
	};
}
