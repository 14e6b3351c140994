/** What the launcher has put on the kernel's command line. */
import { readFileSync } from "node:fs";

export function hasKernelOption(option: string): boolean {
	return readFileSync("/proc/cmdline", "utf8").trim().split(/\s+/).includes(option);
}
