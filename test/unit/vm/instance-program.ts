/**
 * A launcher as a process of its own: `RUNTIME NAME` makes an instance with a child, says so, and stays until it is killed. It
 * says nothing of a name that is taken, and ends with the Fault's exit code.
 */
import { Fault } from "../../../src/errors.ts";
import { Instance } from "../../../src/vm/instance.ts";

const [runtime = "", name = ""] = process.argv.slice(2);
try {
	const instance = Instance.create(runtime, name);
	// In a group of its own, as QEMU is.
	const { pid } = Bun.spawn(["sleep", "60"], { stdio: ["ignore", "ignore", "ignore"], detached: true });
	instance.adopt(pid);
	process.stdout.write(`${pid}\n`);
	await Bun.sleep(60_000);
} catch (error) {
	if (!(error instanceof Fault)) throw error;
	process.exit(error.exitCode);
}
