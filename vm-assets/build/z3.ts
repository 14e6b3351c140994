/**
 * LLVM, which Mesa draws with in software, is linked with the theorem prover Z3 for Clang's analyzer: 28 MB that Mesa never calls. The
 * image gets a stub, under a version just below the archive's, so that whoever installs something that asks for Z3 gets the real one.
 */
import { join } from "node:path";
import { Fault } from "../../src/errors.ts";
import { runText } from "./run.ts";
import { makeStub } from "./stub-library.ts";
import { inTree } from "./tree.ts";

const FOLDER = "usr/lib/x86_64-linux-gnu";
const SONAME = "libz3.so.4";
const PACKAGE = "libz3-4";

/** What the replacement depends on. */
export const Z3_RECIPE = ["vm-assets/build/z3.ts", "vm-assets/build/stub-library.ts"];

/** `root`: the root file system's tree. `work`: a folder that this may fill; its owner removes it. */
export async function replaceZ3(tools: string, root: string, work: string, log: string): Promise<void> {
	const library = join(FOLDER, SONAME);
	// By the names inside: cheaper than reading every ELF file, and a false hit only stops the build.
	const found = await runText(["grep", "-rlaF", SONAME, join(root, "usr")], { log });
	const users = found
		.split("\n")
		.filter((path) => path !== "")
		.map((path) => path.slice(root.length + 1))
		.filter((path) => path !== library);
	if (users.length !== 1 || !users[0]?.startsWith(join(FOLDER, "libLLVM")))
		throw new Fault("something other than LLVM uses Z3", { why: users.join(" "), fix: "See vm-assets/build/z3.ts." });
	await makeStub({ tools, tree: root, library, users, soname: SONAME, work }, log);
	const script =
		`install -m 0644 /mnt/work/${SONAME} /mnt/root/${library}` +
		` && sed -i '/^Package: ${PACKAGE}$/,/^$/ s/^Version: .*/&~virtualghost/' /mnt/root/var/lib/dpkg/status` +
		` && rm -f /mnt/root/var/lib/dpkg/info/${PACKAGE}:*.md5sums` +
		` && grep -q '^Version: .*~virtualghost$' /mnt/root/var/lib/dpkg/status`;
	const mounts = [
		{ from: root, as: "root" },
		{ from: work, as: "work" },
	];
	await inTree({ tree: tools, argv: ["sh", "-euc", script], mounts }, { log });
}
