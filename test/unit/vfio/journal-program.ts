/** Saves a journal in the folder that it is given, for a look at the system calls. */
import { Journals } from "../../../src/vfio/journal.ts";

const [folder = ""] = process.argv.slice(2);
new Journals(folder, process.getuid?.() ?? 0).save({
	version: 1,
	bootId: "1",
	gpu: "0000:01:00.0",
	group: 9,
	node: "/dev/vfio/9",
	nodeBefore: null,
	kept: false,
	helper: { pid: 1, startTime: null },
	functions: [{ bdf: "0000:01:00.0", driver: null, driverOverride: null }],
});
