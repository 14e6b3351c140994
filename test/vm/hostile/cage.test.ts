/** How QEMU and its helpers are locked in, read from /proc; and that nothing of the host's is inside. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BINARY, BOOT_TIMEOUT_MS, Sandbox, tool } from "../harness.ts";
import { TestMachine } from "../machine.ts";
import { findProgram, ownNamespaces, type Seen, see } from "./processes.ts";

const SECRET = "AWS_SECRET_ACCESS_KEY";
let machine: TestMachine;
let qemu: Seen;
let helper: Seen;
let passt: Seen;
let filter: Seen;

const pidsOf = (sandbox: Sandbox) => sandbox.processes().map((line) => Number(line.split(" ")[0]));

function only(found: readonly Seen[]): Seen {
	expect(found.length).toBe(1);
	return found[0] as Seen;
}

beforeAll(async () => {
	machine = await TestMachine.start();
	mkdirSync(join(machine.sandbox.home, ".ssh"));
	writeFileSync(join(machine.sandbox.home, ".ssh/id_rsa"), "secret");
	const pids = pidsOf(machine.sandbox);
	qemu = only(findProgram(pids, "qemu-system-x86_64"));
	helper = only(findProgram(pids, "vhost-device-vsock"));
	passt = only(findProgram(pids, "passt"));
	const record = JSON.parse(readFileSync(join(machine.folder, "instance.json"), "utf8")) as {
		children: { pid: number }[];
	};
	filter = only(record.children.map(({ pid }) => see(pid)).filter(({ command }) => command.includes(" net-filter ")));
}, BOOT_TIMEOUT_MS);

afterAll(async () => await machine[Symbol.asyncDispose](), BOOT_TIMEOUT_MS);

test("QEMU: seccomp, no capabilities, no way to new privileges, no core dump", () => {
	const { Seccomp, CapEff, CapPrm, CapBnd, NoNewPrivs } = qemu.status;
	expect([Seccomp, Number(CapEff), Number(CapPrm), Number(CapBnd), NoNewPrivs]).toEqual(["2", 0, 0, 0, "1"]);
	expect(readFileSync(`/proc/${qemu.pid}/limits`, "utf8")).toMatch(/^Max core file size\s+0\s+0\s/m);
});

test("QEMU and vhost-device-vsock: namespaces of their own, and no network card", () => {
	for (const process of [qemu, helper]) {
		expect(ownNamespaces(process)).toEqual(["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"]);
		const cards = readFileSync(`/proc/${process.pid}/net/dev`, "utf8").split("\n").slice(2).filter(Boolean);
		expect(cards.map((line) => line.trim().split(":")[0])).toEqual(["lo"]);
	}
});

test("passt has locked itself in", () => {
	expect([passt.status.Seccomp, Number(passt.status.CapEff)]).toEqual(["2", 0]);
	expect(ownNamespaces(passt)).toEqual(expect.arrayContaining(["mnt", "user"]));
});

test("environments: of a list", () => {
	const names = (process: Seen) => process.environment.map((line) => line.split("=")[0] ?? "").sort();
	const allowed = /^(HOME|PATH|LANG|PWD|XDG_RUNTIME_DIR|QEMU_MODULE_DIR|NO_AT_BRIDGE|(GTK|GDK|GIO|GSETTINGS|SDL)_\w+)$/;
	for (const process of [qemu, helper]) expect(names(process).filter((name) => !allowed.test(name))).toEqual([]);
	for (const process of [passt, filter])
		expect(names(process).filter((name) => !/^(HOME|PWD)$/.test(name))).toEqual([]);
});

test("descriptors: of a list", () => {
	const { descriptors } = qemu;
	const first = Array.from({ length: 7 }, (_, fd) => descriptors.get(fd)?.replace(/:.*/, ""));
	expect(first).toEqual(["/dev/null", ...Array.from({ length: 6 }, () => "socket")]);
	// The images lie in the launcher's executable: seen under a name of its own, in a mount that takes no change, not even of its mode.
	const executable = [...descriptors].filter(([, target]) => target === "/executable").map(([fd]) => fd);
	expect(executable.length).toBeGreaterThan(0);
	expect([...descriptors.values()]).not.toContain(BINARY);
	const mounts = readFileSync(`/proc/${qemu.pid}/mountinfo`, "utf8").split("\n");
	expect(mounts.find((line) => line.split(" ")[4] === "/executable")?.split(" ")[5]).toMatch(/^ro,/);
	// The rest are QEMU's own: no file but the images.
	const others = [...descriptors].filter(([fd]) => fd > 6 && !executable.includes(fd)).map(([, target]) => target);
	const images = /\/assets\/[\w.-]+$/;
	const own = /^(anon_inode:|pipe:|socket:|\/memfd:|\/dev\/(null|kvm|urandom)$)/;
	expect(others.filter((target) => !own.test(target) && !images.test(target))).toEqual([]);
	const inherited = [...filter.descriptors]
		.filter(([fd]) => fd >= 3 && fd <= 5)
		.map(([, target]) => target.replace(/:.*/, ""));
	expect(inherited).toEqual(["socket", "socket", "socket"]);
});

describe("what is not inside", () => {
	const inside = (path: string) => `/proc/${qemu.pid}/root${path}`;

	test("the home folder, /etc, other processes, the launcher's own files", () => {
		const home = machine.sandbox.home;
		expect(readdirSync(inside(home))).toEqual([".cache"]);
		expect(existsSync(inside("/etc/passwd"))).toBe(false);
		expect(existsSync(inside("/root"))).toBe(false);
		expect(readdirSync(inside(machine.folder)).sort()).toEqual([
			...["authorized-key.cred", "hint.cred", "host-key.cred", "hostname.cred"],
			"q",
		]);
		expect(readdirSync(machine.folder)).toEqual(expect.arrayContaining(["id_ed25519", "ctl", "instance.json"]));
		expect(readdirSync(inside("/proc")).filter((name) => /^\d+$/.test(name)).length).toBeLessThan(4);
	});

	test("nothing can be written but the machine's own folder", () => {
		const mounts = readFileSync(`/proc/${qemu.pid}/mounts`, "utf8")
			.trim()
			.split("\n")
			.map((line) => line.split(" "));
		const writable = mounts
			.filter(([, , , options = ""]) => options.split(",").includes("rw"))
			.map(([, path = ""]) => path);
		const harmless = /^(\/|\/tmp|\/proc|\/dev(\/(null|zero|full|random|urandom|tty|pts|shm|kvm|console))?)$/;
		expect(writable.filter((path) => !harmless.test(path))).toEqual([join(machine.folder, "q")]);
	});
});

test("doctor names each layer", async () => {
	const { stdout } = await machine.vg(["doctor", "--json"]);
	const { findings } = JSON.parse(stdout) as { findings: { topic: string; verdict: string }[] };
	const verdicts = Object.fromEntries(findings.map(({ topic, verdict }) => [topic, verdict]));
	expect(verdicts).toMatchObject({ seccomp: "ok", cage: "ok", network: "ok" });
});

test(
	"kill -9 of the launcher leaves nothing of it",
	async () => {
		const sandbox = new Sandbox();
		try {
			const launcher = sandbox.start(["run", "-v", "--accel", "tcg", "--gpu", "none", "--display", "none"], {
				env: { [SECRET]: "x" },
			});
			await launcher.says("system up");
			const pids = pidsOf(sandbox);
			expect(findProgram(pids, "qemu-system-x86_64").map((each) => each.environment.join().includes(SECRET))).toEqual([
				false,
			]);
			launcher.kill("SIGKILL");
			await launcher.outcome;
			expect(await sandbox.lingering(10)).toEqual([]);
		} finally {
			sandbox[Symbol.dispose]();
		}
	},
	BOOT_TIMEOUT_MS,
);

test(
	"a host without user namespaces: no cage and no network, said so, and the machine runs",
	async () => {
		const sandbox = new Sandbox();
		try {
			// In a namespace of its own, so that the limit is nobody else's.
			const script = 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$0" "$@"';
			const argv = ["unshare", "--user", "--map-root-user", "sh", "-c", script, BINARY];
			const flags = ["run", "-v", "--accel", "tcg", "--gpu", "none", "--", "echo", "it runs"];
			const { code, stdout, stderr } = await tool([...argv, ...flags], {
				env: { ...sandbox.env, PATH: "/usr/bin:/bin" },
			});
			expect([code, stdout]).toEqual([0, "it runs\n"]);
			expect(stderr).toMatch(/cage: none, QEMU sees this host's files \(/);
			expect(stderr).toMatch(/warning: the guest has no network \(passt ended with \d+\)/);
		} finally {
			sandbox[Symbol.dispose]();
		}
	},
	BOOT_TIMEOUT_MS,
);
