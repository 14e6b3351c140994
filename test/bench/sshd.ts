/** OpenSSH's own server in a running guest, on a vsock port of its own: what the agent is measured against. */
import { join } from "node:path";
import { step } from "../../vm-assets/build/cache.ts";
import { type Context, cacheFolder } from "../../vm-assets/build/context.ts";
import { makeTree, TREE_RECIPE } from "../../vm-assets/build/debian.ts";
import { tool } from "../vm/harness.ts";

export const SSHD_VSOCK_PORT = 2222;

const LIBRARIES = "usr/lib/x86_64-linux-gnu";
const PROGRAMS = ["usr/sbin/sshd", "usr/lib/openssh/sshd-session", "usr/lib/openssh/sshd-auth"];

/** One process a connection, as `ssh.socket` of Debian starts it. */
const SOCKET_UNIT = `[Socket]\nListenStream=vsock:4294967295:${SSHD_VSOCK_PORT}\nAccept=yes\nMaxConnections=200\n`;
const SERVICE_UNIT = `[Service]
ExecStart=-/usr/sbin/sshd -i -f /run/bench/sshd_config
StandardInput=socket
StandardError=journal
RuntimeDirectory=sshd
RuntimeDirectoryPreserve=yes
`;
const CONFIG = `HostKey /run/bench/host
AuthorizedKeysFile /run/bench/authorized
PermitRootLogin no
PasswordAuthentication no
StrictModes no
UsePAM no
UseDNS no
PidFile none
Subsystem sftp /usr/lib/openssh/sftp-server
`;

/** Makes (once) a tree with Debian's openssh-server and returns a tar file of what a guest lacks of it. */
export async function packSshd(work: string): Promise<string> {
	const context: Context = {
		repo: join(import.meta.dir, "../.."),
		arch: "x64",
		fast: true,
		refresh: false,
		made: new Set(),
		cache: cacheFolder(process.env),
	};
	const tree = await step(context, {
		name: "sshd-tree",
		title: "OpenSSH's server, for comparison",
		recipe: [...TREE_RECIPE, "test/bench/sshd.ts"],
		make: ({ dir, log, detail }) =>
			makeTree({ variant: "extract", packages: ["openssh-server"], arch: "amd64" }, dir, log, detail),
	});
	const root = join(tree.dir, "tree");
	const loader = join(root, LIBRARIES, "ld-linux-x86-64.so.2");
	const needed = new Set<string>();
	for (const program of PROGRAMS) {
		const { stdout } = await tool([loader, "--library-path", join(root, LIBRARIES), "--list", join(root, program)]);
		for (const [, path = ""] of stdout.matchAll(/=> (\S+)/g)) {
			if (path.startsWith(root)) needed.add(path.slice(root.length + 1));
		}
	}
	const tar = join(work, "sshd.tar");
	const packed = await tool(["tar", "-C", root, "-chf", tar, ...PROGRAMS, ...needed]);
	if (packed.code !== 0) throw new Error(packed.stderr);
	return tar;
}

/** What root has to run in the guest after the tar file was unpacked at `/`. */
export function startScript(publicKey: string): string {
	const file = (path: string, text: string) => `cat >${path} <<'END'\n${text}END\n`;
	return [
		"set -e",
		"mkdir -p /run/bench /run/sshd",
		"id sshd >/dev/null 2>&1 || useradd --system --no-create-home --home-dir /run/sshd --shell /usr/sbin/nologin sshd",
		"usermod --password '*' ghost",
		"[ -e /run/bench/host ] || ssh-keygen -q -t ed25519 -N '' -f /run/bench/host",
		file("/run/bench/authorized", `${publicKey.trim()}\n`),
		file("/run/bench/sshd_config", CONFIG),
		file("/run/systemd/system/bench-sshd.socket", SOCKET_UNIT),
		file("/run/systemd/system/bench-sshd@.service", SERVICE_UNIT),
		"systemctl daemon-reload",
		"systemctl start bench-sshd.socket",
		"cat /run/bench/host.pub",
	].join("\n");
}
