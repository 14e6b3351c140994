/** What a run keeps and shares, as a user has it: disks, shared folders and work copies, with real machines. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
	chmodSync,
	existsSync,
	mkdirSync,
	readdirSync,
	readFileSync,
	rmSync,
	statSync,
	symlinkSync,
	writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { picture } from "../unit/files/trees.ts";
import { BINARY, BOOT_TIMEOUT_MS, Sandbox, type Started, tool } from "./harness.ts";

/** Small and without a screen: from a snapshot, after the first. */
const FLAGS = ["--accel", "tcg", "--display", "none", "--gpu", "none", "--memory", "1G"] as const;
const isRoot = process.getuid?.() === 0;

let sandbox: Sandbox;
const vg = (args: readonly string[], env: Record<string, string> = {}) =>
	tool([BINARY, ...args], { env: { ...sandbox.env, ...env } });
const run = (flags: readonly string[], command: readonly string[], env: Record<string, string> = {}) =>
	vg(["run", ...FLAGS, ...flags, "--", ...command], env);
const folder = (name: string) => {
	const path = join(sandbox.root, name);
	mkdirSync(path, { recursive: true });
	return path;
};
const data = () => join(sandbox.home, ".local/share/virtualghost");

beforeAll(async () => {
	sandbox = new Sandbox();
	expect((await vg(["prewarm", ...FLAGS])).code).toBe(0);
}, BOOT_TIMEOUT_MS);
afterAll(() => sandbox[Symbol.dispose](), BOOT_TIMEOUT_MS);

describe("--disk", () => {
	test(
		"is the home, the user's own, and there again in the next machine, restored or booted",
		async () => {
			const first = await run(
				["-v", "--disk", "d:2G"],
				["sh", "-c", "stat -c '%U %a' ~; ls -A ~; df -T ~ | tail -n 1; echo kept >~/file"],
			);
			expect(first.stderr).toContain("snapshot: ");
			expect([first.code, first.stdout]).toEqual([
				0,
				expect.stringMatching(/^ghost 700\n[\s\S]*\.bashrc\n[\s\S]*ext4[\s\S]*\/home\/ghost\n$/),
			]);
			const booted = await run(["--cold", "--disk", "d"], ["sh", "-c", "cat ~/file; stat -c %U ~/file"]);
			expect([booted.code, booted.stdout]).toEqual([0, "kept\nghost\n"]);
			const listed = JSON.parse((await vg(["disk", "list", "--json"])).stdout) as {
				name: string;
				sizeMiB: number;
				inUse: boolean;
			}[];
			expect(listed).toEqual([expect.objectContaining({ name: "d", sizeMiB: 2048, inUse: false })]);
		},
		3 * BOOT_TIMEOUT_MS,
	);

	test(
		"is one machine's at a time; what kill -9 leaves is sound and free",
		async () => {
			const holder = sandbox.start([
				"run",
				...FLAGS,
				"--disk",
				"d",
				"--",
				"sh",
				"-c",
				"echo 1 >~/first; echo 2 >~/second; sync; echo ready >&2; sleep 600",
			]);
			await holder.says("ready");
			const other = await run(["--disk", "d"], ["true"]);
			expect([other.code, other.stderr]).toEqual([125, expect.stringContaining("The disk d is in use")]);
			expect((await vg(["disk", "rm", "d"])).stderr).toContain("The disk d is in use");
			holder.kill("SIGKILL");
			await holder.outcome;
			expect(await sandbox.lingering(10)).toEqual([]);
			const next = await run(["--disk", "d"], ["sh", "-c", "cat ~/first ~/second"]);
			expect([next.code, next.stdout]).toEqual([0, "1\n2\n"]);
			const copy = join(sandbox.root, "copy.qcow2");
			expect((await vg(["disk", "export", "d", copy])).code).toBe(0);
			expect((await tool(["qemu-img", "check", "-q", copy])).code).toBe(0);
			expect((await vg(["disk", "export", "d", copy])).code).toBe(2);
			expect((await vg(["disk", "rm", "d"])).code).toBe(0);
			expect((await vg(["disk", "list"])).stdout).toContain("no disks");
		},
		3 * BOOT_TIMEOUT_MS,
	);

	test(
		"that is none of ours is not touched",
		async () => {
			mkdirSync(join(data(), "disks"), { recursive: true, mode: 0o700 });
			const path = join(data(), "disks/foreign.qcow2");
			writeFileSync(path, "a letter");
			const refused = await run(["--disk", "foreign"], ["true"]);
			expect([refused.code, refused.stderr]).toEqual([125, expect.stringContaining("is no disk of VirtualGhost's")]);
			expect(readFileSync(path, "utf8")).toBe("a letter");
			rmSync(path);
			for (const wrong of ["../x", "x:1", "X"]) expect((await run(["--disk", wrong], ["true"])).code).toBe(2);
		},
		BOOT_TIMEOUT_MS,
	);

	test.skipIf(!isRoot)(
		"on a host that fills up: the machine is paused with a word, goes on when there is space, and nothing is corrupt",
		async () => {
			const small = folder("small");
			expect((await tool(["mount", "-t", "tmpfs", "-o", "size=300M,mode=700", "tmpfs", small])).code).toBe(0);
			try {
				writeFileSync(join(small, "filler"), Buffer.alloc(200 * 1024 * 1024, 1));
				const env = { XDG_DATA_HOME: small };
				// Longer than the connection to the guest would wait without an answer.
				const script = "head -c 160M /dev/urandom >~/big && sync && sha256sum <~/big && sleep 1";
				const writer = sandbox.start(["run", ...FLAGS, "--disk", "f:1G", "--", "sh", "-c", script], { env });
				await writer.says("the machine is paused: there is no space left");
				await Bun.sleep(50_000);
				expect(writer.stderr.split("the machine is paused").length).toBe(2);
				rmSync(join(small, "filler"));
				await writer.says("the machine goes on: there is space again");
				const { code, stdout } = await writer.outcome;
				expect([code, stdout]).toEqual([0, expect.stringMatching(/^[0-9a-f]{64} {2}-\n$/)]);
				const check = await run(
					["--disk", "f"],
					["sh", "-c", "sha256sum <~/big; sudo dmesg | grep -ci 'ext4.*error\\|I/O error'"],
					env,
				);
				expect(check.stdout).toBe(`${stdout}0\n`);
				expect((await tool(["qemu-img", "check", "-q", join(small, "virtualghost/disks/f.qcow2")])).code).toBe(0);
			} finally {
				await tool(["umount", small]);
			}
		},
		4 * BOOT_TIMEOUT_MS,
	);
});

describe("--mount", () => {
	test(
		"shows a folder before the command runs; read-only is read-only, :rw writes, and nothing leads out",
		async () => {
			const [shared, writable, outside] = [folder("shared"), folder("writable"), folder("outside")];
			writeFileSync(join(outside, "secret"), "secret");
			writeFileSync(join(shared, "file"), "shared\n");
			symlinkSync(join(outside, "secret"), join(shared, "absolute"));
			symlinkSync("../outside", join(shared, "relative"));
			symlinkSync("../outside", join(writable, "relative"));
			writeFileSync(join(writable, "old"), "old\n");
			chmodSync(join(writable, "old"), 0o755);
			const before = [picture(shared), picture(outside)];
			const attempts = [
				"cat /mnt/ro/file",
				"cat /mnt/ro/absolute",
				"cat /mnt/ro/relative/secret",
				"cat /mnt/ro/../outside/secret",
				"touch /mnt/ro/new",
				"sudo sh -c 'echo x >/mnt/ro/file'",
				"sudo rm /mnt/ro/file",
				"sudo mount -o remount,rw /mnt/ro; sudo touch /mnt/ro/new2",
				"ls ~/rw/relative/",
				"echo planted >~/rw/relative/planted",
				"ln -s /etc/passwd ~/rw/l1",
				"ln -s ../outside/secret ~/rw/l2",
				"ln ~/rw/old ~/rw/hard",
				"sudo mknod ~/rw/disk b 8 0",
				"mkfifo ~/rw/fifo",
				"chmod u+s ~/rw/old",
				"sudo chown root ~/rw/old",
				"mkdir -p ~/rw/a/b && ln -s ../../old ~/rw/a/b/l && mv ~/rw/a/b ~/rw/b 2>/dev/null; test ! -L ~/rw/b/l",
				"echo new >~/rw/new && mv ~/rw/new ~/rw/a/new && ln -s new ~/rw/a/link && rm ~/rw/old && stat -c %U ~/rw/a/new",
			];
			const script = attempts
				.map((each, i) => `(${each}) >/tmp/out 2>&1; echo "${i} $?"; [ ${i} -ne 0 ] || cat /tmp/out`)
				.join("\n");
			const { code, stdout } = await run(
				["--mount", `${shared}:/mnt/ro`, "--mount", `${writable}:~/rw:rw`],
				["sh", "-c", script],
			);
			expect(code).toBe(0);
			const results = Object.fromEntries(
				stdout.split("\n").flatMap((line) => (/^\d+ \d+$/.test(line) ? [line.split(" ").map(Number)] : [])),
			);
			expect(stdout).toContain("0 0\nshared\n");
			const allowed = Object.keys(results)
				.filter((i) => results[i] === 0)
				.map(Number);
			expect(allowed).toEqual([0, attempts.length - 2, attempts.length - 1]);
			expect([picture(shared), picture(outside)]).toEqual(before);
			const now = picture(writable);
			expect(now["a/new"]).toContain("file ");
			expect(now["a/link"]).toBe("link new");
			expect(Object.keys(now).filter((name) => /hard|disk|fifo|l1|l2|old$/.test(name))).toEqual([]);
			expect(readdirSync(join(sandbox.root, "outside"))).toEqual(["secret"]);
		},
		BOOT_TIMEOUT_MS,
	);

	test(
		"many files and large ones arrive whole, both ways",
		async () => {
			const tree = folder("tree");
			for (let i = 0; i < 300; i++) writeFileSync(join(tree, `f${i}`), `${i}`.repeat(i));
			const big = new Uint8Array(20 * 1024 * 1024);
			for (let at = 0; at < big.length; at += 65_536) crypto.getRandomValues(big.subarray(at, at + 65_536));
			writeFileSync(join(tree, "big"), big);
			const { code, stdout } = await run(
				["--mount", `${tree}:/srv/tree:rw`],
				["sh", "-c", "cd /srv/tree && cat f* | sha256sum && sha256sum <big && cp big copy && ls | wc -l && rm f*"],
			);
			const sum = (await tool(["sh", "-c", "sha256sum <big"], { cwd: tree })).stdout;
			expect(code).toBe(0);
			expect(stdout.split("\n").slice(1)).toEqual([sum.trim(), "302", ""]);
			expect((await tool(["cmp", join(tree, "big"), join(tree, "copy")])).code).toBe(0);
			expect(readdirSync(tree).sort()).toEqual(["big", "copy"]);
		},
		BOOT_TIMEOUT_MS,
	);

	test("that cannot be is refused before anything starts", async () => {
		for (const [spec, word] of [
			["/nonexistent:/x", "cannot be used"],
			[`${sandbox.home}:/x`, "holds your whole home directory"],
			["/:/x", "holds your whole home directory"],
			[`${sandbox.cwd}:/etc`, "the machine's own"],
			[sandbox.cwd, "no place in the machine"],
		] as const) {
			const { code, stderr } = await vg(["run", "--mount", spec]);
			expect([code, stderr]).toEqual([2, expect.stringContaining(word)]);
		}
		expect(sandbox.instances()).toEqual([]);
	});
});

/** Random edits in each of the folders, the same for the same seed, then what the guest sees. In one process: to start one takes the guest 10 ms. */
const EDITS = String.raw`
use strict; use warnings; use File::Path;
srand(shift); chdir "/work" or die;
my @names = ("a", "b", "c", "d", "e e");
sub there { lstat $_[0] }
sub plain { lstat $_[0] && -f _ }
sub folder { lstat $_[0] && -d _ }
sub put { my ($path, $text, $append) = @_; open(my $f, $append ? ">>" : ">", $path) or die "$path: $!"; print $f $text; close $f or die "$path: $!" }
for my $seq (glob "s*") {
	for (1 .. 8) {
		my @folders = ($seq, grep { folder($_) } map { "$seq/$_" } @names);
		my $in = $folders[rand @folders];
		my ($path, $other) = map { "$in/" . $names[rand @names] } 1, 2;
		my $do = int rand 9;
		if ($do < 2) { put($path, int(rand 1e6) . "\n") unless there($path) && !plain($path) }
		elsif ($do == 2) { mkdir $path unless there($path) }
		elsif ($do == 3) { put($path, "more " . int(rand 1e6) . "\n", 1) if plain($path) }
		elsif ($do == 4) { folder($path) ? rmtree($path) : unlink $path }
		elsif ($do == 5) {
			next if there($other) || !there($path);
			# A folder of the layer below is copied and removed, as mv does.
			rename($path, $other) or system("mv", $path, $other) == 0 or die "mv $path $other";
		}
		elsif ($do == 6) { chmod(rand() < 0.5 ? 0755 : 0600, $path) if plain($path) }
		elsif ($do == 7) { symlink($names[rand @names], $path) unless there($path) }
		elsif (folder($path)) { rmtree($path); mkdir $path; put("$path/a", "again\n") }
	}
}
exec "bash", "-c", shift;
`;

const VIEW = `find . -mindepth 1 -printf '%y %m %P %l\\n' | LC_ALL=C sort; find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum`;

/** The same of a folder here. */
const view = async (path: string) => {
	return (await tool(["bash", "-c", VIEW], { cwd: path, env: { PATH: process.env.PATH } })).stdout;
};

function makeSequences(path: string, count: number): void {
	for (let i = 0; i < count; i++) {
		const each = join(path, `s${String(i).padStart(4, "0")}`);
		mkdirSync(join(each, "a/b"), { recursive: true });
		writeFileSync(join(each, "b"), `first ${i}\n`);
		writeFileSync(join(each, "a/c"), "second\n", { mode: 0o600 });
		writeFileSync(join(each, "a/b/d"), "third\n");
		symlinkSync("a/c", join(each, "d"));
	}
}

describe("--work", () => {
	const works = async () =>
		JSON.parse((await vg(["work", "list", "--json"])).stdout) as { id: string; isCollected: boolean; folder: string }[];

	test(
		"1,000 random sequences of edits: applied, the folder is what the guest saw",
		async () => {
			const path = folder("sequences");
			makeSequences(path, 1000);
			const outcome = await tool(
				[BINARY, "run", ...FLAGS, "--work", path, "--on-exit", "apply", "--", "perl", "-", "4711", VIEW],
				{
					env: sandbox.env,
					input: EDITS,
				},
			);
			expect([outcome.code, outcome.stderr]).toEqual([0, expect.stringContaining(`applied to ${path}`)]);
			expect(outcome.stderr).not.toContain("not applied");
			expect(outcome.stdout.split("\n").length).toBeGreaterThan(4000);
			expect(await view(path)).toBe(outcome.stdout.replaceAll(/^l \d+ /gm, "l 777 "));
			expect(await works()).toEqual([]);
		},
		4 * BOOT_TIMEOUT_MS,
	);

	test(
		"discarded, the folder is as it was; what would leave it is refused and listed",
		async () => {
			const path = folder("hostile");
			mkdirSync(join(path, ".git/hooks"), { recursive: true });
			writeFileSync(join(path, "file"), "mine\n");
			symlinkSync("../outside", join(path, "out"));
			const before = picture(path);
			const script =
				"echo theirs >file; rm -r .git; mkdir -p .git/hooks; echo x >.git/hooks/pre-commit; ln -s /etc/passwd abs; ln -s ../.. up;" +
				"cp /bin/true suid; chmod u+s suid; sudo mknod dev c 1 3; mkfifo fifo; rm out; mkdir out; echo x >out/secret; echo fine >fine";
			const discarded = await run(["--work", path, "--on-exit", "discard"], ["sh", "-c", script]);
			expect(discarded.code).toBe(0);
			expect(picture(path)).toEqual(before);
			for (const word of ["refused: abs", "refused: up", "refused: suid", "refused: dev", "refused: fifo"]) {
				expect(discarded.stderr).toContain(word);
			}
			expect(discarded.stderr).toMatch(/\.git\/hooks\/pre-commit .*\(programs here run this by themselves/);
			const outside = picture(join(sandbox.root, "outside"));
			const applied = await run(["--work", path, "--on-exit", "apply"], ["sh", "-c", script]);
			expect(applied.code).toBe(0);
			expect(picture(join(sandbox.root, "outside"))).toEqual(outside);
			expect(Object.keys(picture(path)).sort()).toEqual([
				".git",
				".git/hooks",
				".git/hooks/pre-commit",
				"file",
				"fine",
				"out",
				"out/secret",
			]);
			expect(statSync(join(path, "out")).isDirectory()).toBe(true);
		},
		2 * BOOT_TIMEOUT_MS,
	);

	test(
		"a script without --on-exit: kept, and recovered as a patch that git takes",
		async () => {
			const path = folder("kept");
			writeFileSync(join(path, "text"), "one\ntwo\nthree\n");
			writeFileSync(join(path, "old"), "old\n");
			const kept = await run(
				["--work", path],
				["sh", "-c", "sed -i s/two/2/ text; rm old; head -c 3000 /bin/true >binary; exit 7"],
			);
			expect([kept.code, kept.stderr]).toEqual([7, expect.stringContaining("virtualghost work recover ")]);
			expect(readFileSync(join(path, "text"), "utf8")).toBe("one\ntwo\nthree\n");
			const [known] = await works();
			expect(known).toMatchObject({ isCollected: true, folder: path });
			const patch = join(sandbox.root, "work.patch");
			expect((await vg(["work", "recover", known?.id ?? "", "--on-exit", `patch=${patch}`])).code).toBe(0);
			const git = await tool(["git", "apply", patch], {
				cwd: path,
				env: { PATH: process.env.PATH, GIT_CEILING_DIRECTORIES: sandbox.root },
			});
			expect(git.stderr).toBe("");
			expect([readFileSync(join(path, "text"), "utf8"), existsSync(join(path, "old"))]).toEqual([
				"one\n2\nthree\n",
				false,
			]);
			expect(statSync(join(path, "binary")).size).toBe(3000);
			expect(await works()).toEqual([]);
		},
		2 * BOOT_TIMEOUT_MS,
	);

	test(
		"kill -9 of the launcher: the changes are in the disk, and another machine gives them back; what the host changed stays",
		async () => {
			const path = folder("killed");
			for (const name of ["a", "b"]) writeFileSync(join(path, name), "old\n");
			const script = "echo guest >a; echo guest >b; echo new >c; sync; echo ready >&2; sleep 600";
			const killed: Started = sandbox.start(["run", ...FLAGS, "--work", path, "--", "sh", "-c", script]);
			await killed.says("ready");
			writeFileSync(join(path, "b"), "host\n");
			killed.kill("SIGKILL");
			await killed.outcome;
			expect(await sandbox.lingering(10)).toEqual([]);
			const [known] = await works();
			expect(known).toMatchObject({ isCollected: false, folder: path });
			const recovered = await vg(["work", "recover", known?.id ?? "", "--on-exit", "apply"]);
			expect([recovered.code, recovered.stderr]).toEqual([
				1,
				expect.stringContaining("not applied: b (it was changed here too)"),
			]);
			const read = (name: string) => readFileSync(join(path, name), "utf8");
			expect([read("a"), read("b"), read("c")]).toEqual(["guest\n", "host\n", "new\n"]);
			expect((await vg(["work", "rm", known?.id ?? ""])).code).toBe(0);
			expect(await works()).toEqual([]);
		},
		2 * BOOT_TIMEOUT_MS,
	);

	test(
		"a session in a window begins in it, and its end brings the changes",
		async () => {
			const path = folder("window");
			writeFileSync(join(path, "file"), "old\n");
			const window = sandbox.start([
				...[
					"run",
					"-v",
					"--accel",
					"tcg",
					"--display",
					"none",
					"--gpu",
					"software",
					"--memory",
					"1G",
					"--name",
					"window",
				],
				...["--disk", "session:1G", "--work", path, "--on-exit", "apply"],
			]);
			await window.says("terminal up");
			const inside = await vg([
				"exec",
				"window",
				"--",
				"sh",
				"-c",
				"readlink /proc/$(pgrep -n bash)/cwd; echo new >/work/file; df ~ | tail -n 1",
			]);
			expect(inside.stdout).toMatch(/^\/work\n\/dev\/vd[a-z] /);
			await vg(["exec", "window", "--root", "--", "pkill", "-x", "foot|ghostty"]);
			const { code, stderr } = await window.outcome;
			expect([code, stderr]).toEqual([0, expect.stringContaining(`applied to ${path}: 1 change`)]);
			expect(readFileSync(join(path, "file"), "utf8")).toBe("new\n");
			expect(stderr).not.toContain("another machine");
		},
		2 * BOOT_TIMEOUT_MS,
	);
});
