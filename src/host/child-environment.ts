/** The environment that QEMU gets: a short list, so that nothing secret of the user's leaks into a process that a guest attacks. */

const NAMES = new Set([
	"HOME",
	"USER",
	"PATH",
	"LANG",
	"TMPDIR",
	"DISPLAY",
	"WAYLAND_DISPLAY",
	"XAUTHORITY",
	"XDG_RUNTIME_DIR",
	"XDG_SESSION_TYPE",
	"XDG_CURRENT_DESKTOP",
	"XDG_DATA_DIRS",
	"XCURSOR_THEME",
	"XCURSOR_SIZE",
	// Windows cannot start a process or find its libraries without these.
	"SystemRoot",
	"windir",
	"TEMP",
	"TMP",
	"APPDATA",
	"LOCALAPPDATA",
	"USERPROFILE",
]);

/** Settings of the toolkits and drivers that QEMU's window uses. */
const PREFIXES = [
	"LC_",
	"GDK_",
	"GTK_",
	"SDL_",
	"LIBGL_",
	"MESA_",
	"GALLIUM_",
	"EGL_",
	"__EGL_",
	"__GLX_",
	"__GL_",
	"__NV_",
	"DRI_",
];

export function childEnvironment(
	env: Readonly<Record<string, string | undefined>>,
	extra: Readonly<Record<string, string>>,
): Record<string, string> {
	const kept: Record<string, string> = {};
	for (const [name, value] of Object.entries(env)) {
		if (value === undefined) continue;
		if (NAMES.has(name) || PREFIXES.some((prefix) => name.startsWith(prefix))) kept[name] = value;
	}
	// Where SDL finds no display it would draw into nothing, and the user would wait for a window that never comes.
	if (process.platform === "linux") kept.SDL_VIDEODRIVER ??= env.WAYLAND_DISPLAY ? "wayland,x11" : "x11";
	// GTK would otherwise look for an accessibility bus, and wait.
	return { ...kept, NO_AT_BRIDGE: "1", GTK_A11Y: "none", ...extra };
}
