/** stdout and stderr of the launcher. A reader that has gone away must not end it: the machine still has to be taken down. */

function quietly(stream: NodeJS.WriteStream, text: string): void {
	try {
		stream.write(text);
	} catch {
		// EPIPE (`| head`), EIO (the terminal was closed).
	}
}

export function print(text: string): void {
	quietly(process.stdout, text);
}

export function printError(text: string): void {
	quietly(process.stderr, text);
}

/** Errors that come later, as events. Call once, at the start. */
export function ignoreDeadReaders(): void {
	for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {});
}
