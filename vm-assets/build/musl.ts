/**
 * The C and C++ libraries under the guest agent, which is a musl executable made by `bun build --compile`.
 *
 * Debian has musl but no libstdc++ built for it. Bun uses about 35 symbols of libstdc++, none of which touches the C
 * library's internals, so they are linked out of GCC's static library into a shared one for musl.
 */
import { copyFileSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Fault } from "../../src/errors.ts";
import { BECOME_PROGRAM } from "../../src/wire/names.ts";
import { type Step, step } from "./cache.ts";
import type { Context } from "./context.ts";
import { run } from "./run.ts";
import { toolsTree } from "./tools.ts";
import { inTree } from "./tree.ts";

const SHIM = "vm-assets/guest/libstdcxx-shim.c";
const BECOME = "vm-assets/guest/become.c";

/** File names in the guest's agent folder. The loader is also musl's libc. */
export const MUSL = {
	loader: "ld-musl-x86_64.so.1",
	libc: "libc.musl-x86_64.so.1",
	libstdcxx: "libstdc++.so.6",
	/** Static: what the agent starts programs with. */
	become: BECOME_PROGRAM,
} as const;

/** Bun's words for the agent's platform: musl, and no AVX, because emulated processors often have none. */
export const AGENT_TARGET = "bun-linux-x64-musl-baseline";

export const COMPILE_FLAGS = [
	"--compile",
	"--minify",
	"--no-compile-autoload-dotenv",
	"--no-compile-autoload-bunfig",
] as const;

/** Links the library, then checks it with a Bun program that calls into C through bun:ffi. */
export function muslStep(context: Context, tools: Step): Promise<Step> {
	return step(context, {
		name: "musl",
		title: "musl runtime of the agent",
		recipe: [SHIM, BECOME, "vm-assets/build/musl.ts"],
		parameters: { bun: Bun.version },
		uses: [tools],
		make: async ({ dir, log }) => {
			const probe = join(dir, "probe");
			mkdirSync(probe);
			await Bun.write(join(probe, "probe.ts"), PROBE);
			const build = [process.execPath, "build", ...COMPILE_FLAGS, `--target=${AGENT_TARGET}`, "--outfile=probe"];
			await run([...build, "probe.ts"], { log, cwd: probe });
			copyFileSync(join(toolsTree(tools), "usr/lib/x86_64-linux-musl/libc.so"), join(dir, MUSL.loader));
			copyFileSync(join(context.repo, SHIM), join(probe, "shim.c"));
			copyFileSync(join(context.repo, BECOME), join(probe, "become.c"));
			const argv = ["bash", "-o", "pipefail", "-euc", LINK, "link", MUSL.loader, MUSL.libstdcxx, MUSL.become];
			await inTree({ tree: toolsTree(tools), argv, mounts: [{ from: dir, as: "out" }] }, { log });
			await verifyAgent(dir, join(probe, "probe"), "musl-probe", log);
			rmSync(probe, { recursive: true });
		},
	});
}

const PROBE = `import { dlopen } from "bun:ffi";
const libc = dlopen("${MUSL.libc}", { getpid: { args: [], returns: "i32" } });
const digest = new Bun.CryptoHasher("sha256").update(String(libc.symbols.getpid())).digest("hex");
console.log(digest.length === 64 && libc.symbols.getpid() === process.pid ? "musl-probe" : "wrong");
`;

/**
 * Symbols that Bun leaves open or copies (type information), less those that musl has, as far as GCC's static libraries have
 * them: each is asked for by name, the linker takes what it is made of, and only these are exported.
 */
const LINK = `
cd /mnt/out
static=$(dirname "$(gcc -print-file-name=libstdc++.a)")
archives="$static/libstdc++.a $static/libgcc_eh.a"
{
	readelf -W --dyn-syms probe/probe | awk '$7 == "UND" { print $8 }'
	readelf -W --relocs probe/probe | awk '$3 == "R_X86_64_COPY" { print $5 }'
} | sed 's/@.*//' | sort -u >/tmp/open
readelf -W --dyn-syms "$1" | awk '$7 != "UND" { print $8 }' | sed 's/@.*//' | sort -u >/tmp/musl
nm --defined-only --extern-only --format=posix $archives | awk 'NF > 1 { print $1 }' | sort -u >/tmp/static
comm -23 /tmp/open /tmp/musl | comm -12 - /tmp/static >/tmp/wanted
[ -s /tmp/wanted ]
sed 's/^/-Wl,-u,/' /tmp/wanted >/tmp/options
{ echo '{ global:'; sed 's/$/;/' /tmp/wanted; echo 'local: *; };'; } >/tmp/exports
musl-gcc -shared -fPIC -O2 -Wl,-soname,"$2" -Wl,-z,relro,-z,now,-z,defs -Wl,--build-id=none -Wl,--gc-sections -s -o "$2" \
	-Wl,--version-script=/tmp/exports @/tmp/options probe/shim.c $archives "$static/libgcc.a"
musl-gcc -static -O2 -Wall -Wextra -Werror -Wl,-z,relro,-z,now -Wl,--build-id=none -s -o "$3" probe/become.c
`;

/** Starts an executable on this machine through the loader and libraries in `dir` alone and expects `said` in its output. */
export async function verifyAgent(dir: string, executable: string, said: string, log: string): Promise<void> {
	const argv = [join(dir, MUSL.loader), "--library-path", dir, executable, "--version"];
	const child = Bun.spawn(argv, { cwd: "/", env: { PATH: "/usr/bin:/bin" }, stdout: "pipe", stderr: "pipe" });
	const [out, errors] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
	if ((await child.exited) !== 0 || !out.includes(said)) {
		throw new Fault("the musl runtime does not run a compiled Bun program", { tail: (errors + out).slice(-1500), log });
	}
}

/** Version of musl in the tools tree, as its dpkg says. */
export function muslVersion(tools: Step): string {
	const status = readFileSync(join(toolsTree(tools), "var/lib/dpkg/status"), "utf8");
	return /^Package: musl\n[\s\S]*?^Version: (.*)$/m.exec(status)?.[1] ?? "unknown";
}
