/** A fatal error where nobody reads stderr (double-click): a native dialog, made by whichever tool is there. */
import { fstatSync } from "node:fs";

/**
 * Whether stderr goes nowhere that a person looks: no terminal, no pipe to another program, no file that somebody chose.
 * File managers start programs with /dev/null, a journal socket or the session's error file.
 */
export function isStderrUnseen(env: Readonly<Record<string, string | undefined>>): boolean {
	if (process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY || env.CI) return false;
	if (process.platform === "linux" && !env.DISPLAY && !env.WAYLAND_DISPLAY) return false;
	try {
		const stderr = fstatSync(2);
		return stderr.isCharacterDevice() || stderr.isSocket();
	} catch {
		// Closed.
		return true;
	}
}

/** Command lines to try in turn. The text goes over the argument list: it holds no secret. */
function dialogCommands(text: string): string[][] {
	const title = "VirtualGhost";
	if (process.platform === "darwin") {
		const script = "on run argv\ndisplay alert item 1 of argv message item 2 of argv as critical\nend run";
		return [["osascript", "-e", script, title, text]];
	}
	if (process.platform === "win32") {
		const script =
			"Add-Type -AssemblyName System.Windows.Forms; [void][System.Windows.Forms.MessageBox]::Show($args[1], $args[0], 'OK', 'Error')";
		return [["powershell", "-NoProfile", "-Command", `& { ${script} }`, title, text]];
	}
	return [
		["zenity", "--error", "--no-markup", `--title=${title}`, `--text=${text}`],
		["kdialog", "--title", title, "--error", text],
		["xmessage", "-center", "-title", title, text],
	];
}

/** Shows the dialog and waits until it is closed. Returns whether any tool could show it. */
export async function showErrorDialog(text: string): Promise<boolean> {
	for (const [program = "", ...args] of dialogCommands(text)) {
		const path = Bun.which(program);
		if (!path) continue;
		const child = Bun.spawn([path, ...args], { stdio: ["ignore", "ignore", "ignore"] });
		// 1 is "closed with Escape"; anything higher means that it could not open a window.
		if ((await child.exited) <= 1) return true;
	}
	return false;
}
