/** The verb as a process of its own, with a machine made of OpenSSH's sftp-server: `LOGIN_FOLDER SRC DST`. */
import { cp } from "../../../src/cli/cp.ts";
import { formatFault } from "../../../src/cli/format-fault.ts";
import { ignoreDeadReaders } from "../../../src/cli/output.ts";
import { startGuest } from "../ssh/copy/guest.ts";

ignoreDeadReaders();
const [loginFolder = "", src = "", dst = ""] = process.argv.slice(2);
let exitCode: number;
try {
	exitCode = await cp({ verbose: false } as never, { src, dst }, async (name) => {
		process.stderr.write(`machine ${name}\n`);
		const guest = await startGuest({ loginFolder });
		return { sftp: guest.sftp, [Symbol.asyncDispose]: () => guest[Symbol.asyncDispose]() };
	});
} catch (error) {
	const fault = formatFault(error);
	process.stderr.write(`${fault.text}\n`);
	exitCode = fault.exitCode;
}
process.exit(exitCode);
