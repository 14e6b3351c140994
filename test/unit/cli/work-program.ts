/** The end of a run with a work copy as a process of its own: `DATA_FOLDER ID`. Nothing is asked of a machine. */
import { formatFault } from "../../../src/cli/format-fault.ts";
import { decideWork } from "../../../src/cli/work-decide.ts";
import { Work } from "../../../src/files/work/store.ts";

const [data = "", id = ""] = process.argv.slice(2);
try {
	using work = Work.open(data, id);
	process.exit((await decideWork(work, null)) ? 0 : 1);
} catch (error) {
	process.stderr.write(`${formatFault(error).text}\n`);
	process.exit(3);
}
