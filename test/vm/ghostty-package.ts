/** A package that stands for Ghostty's: its program notes how it was started and what OpenGL it gets, and opens the stand-in. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { tool } from "./harness.ts";

export const GHOSTTY_VERSION = "1.2.3-1";
/** In the guest. */
export const NOTES = "/run/virtualghost/session/ghostty";

/** In place of `ghostty`. */
export const WRAPPER = `#!/bin/sh
if [ "$1" = --version ]; then echo "Ghostty ${GHOSTTY_VERSION}, a test"; exit 0; fi
mkdir -p ${NOTES}
printf '%s\\n' "$@" >${NOTES}/arguments
env >${NOTES}/environment
pwd >${NOTES}/folder
for word in "$@"; do
	case $word in --config-file=*) cat "\${word#--config-file=}" >>${NOTES}/config ;; esac
done
set -- /usr/bin/eglinfo*
"$1" -B -p wayland >${NOTES}/gl 2>&1
exec foot --config=/usr/share/virtualghost/foot.ini
`;

const CONTROL = `Package: ghostty-test
Version: ${GHOSTTY_VERSION}
Architecture: amd64
Maintainer: Nobody <nobody@example.invalid>
Depends: foot, fonts-symbola
Description: notes how Ghostty would be started
`;

/** Makes the package in `folder`; the same bytes every time, so that the build's cache knows it. */
export async function makeGhosttyPackage(folder: string, work: string): Promise<void> {
	const tree = join(work, "ghostty-package");
	for (const path of ["DEBIAN", "usr/bin"]) mkdirSync(join(tree, path), { recursive: true, mode: 0o755 });
	writeFileSync(join(tree, "DEBIAN/control"), CONTROL);
	writeFileSync(join(tree, "usr/bin/ghostty"), WRAPPER, { mode: 0o755 });
	mkdirSync(folder, { recursive: true });
	const script =
		'find "$1" -exec touch -h -d @1767225600 {} + && chmod -R u=rwX,go=rX "$1" && dpkg-deb --root-owner-group --build "$1" "$2"';
	const made = await tool(["sh", "-c", script, "sh", tree, join(folder, "ghostty-test_1_amd64.deb")], {
		env: { ...process.env, SOURCE_DATE_EPOCH: "1767225600" },
	});
	if (made.code !== 0) throw new Error(made.stderr + made.stdout);
}
