/* What is asked of QEMU itself. Its names are looked up: an older or newer QEMU without one of them does what it always did. */
#define _GNU_SOURCE
#include "window.h"
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* include/ui/console.h, QEMU 11.1 */
struct ui_info {
	uint16_t width_mm, height_mm;
	int xoff, yoff;
	uint32_t width, height, refresh_rate;
};

int tell_guest_size(int width, int height) {
	void *(*lookup)(unsigned) = dlsym(RTLD_DEFAULT, "qemu_console_lookup_by_index");
	int (*tell)(void *, struct ui_info *, int) = dlsym(RTLD_DEFAULT, "qemu_console_set_ui_info");
	int (*runs)(void) = dlsym(RTLD_DEFAULT, "runstate_is_running");
	if (!lookup || !tell || !runs) return 1;
	/* Devices that are about to be restored would forget it. */
	if (!(runs() & 1)) return 0;
	void *console = lookup(0);
	if (!console) return 0;
	const struct ui_info *(*told)(void *) = dlsym(RTLD_DEFAULT, "qemu_console_get_ui_info");
	struct ui_info info = {.width = (uint32_t)width, .height = (uint32_t)height};
	if (width == 0 && told) info = *told(console);
	if (info.width == 0) return 1;
	/* Without a change QEMU keeps to its second: the size in millimetres (at 96 dots an inch), which its window code leaves open, is one. */
	info.width_mm = (uint16_t)(info.width * 254 / 960);
	info.height_mm = (uint16_t)(info.height * 254 / 960);
	tell(console, &info, 0);
	return 1;
}

void ask_for_end(void) {
	void (*powerdown)(void) = dlsym(RTLD_DEFAULT, "qemu_system_powerdown_request");
	if (powerdown) powerdown();
}

/* "QEMU (TITLE-0) - Press Ctrl-Alt-G to exit grab" of SDL, "QEMU (TITLE) - Press ..." of GTK. */
const char *our_title(const char *qemus) {
	static char title[512];
	static const char before[] = "QEMU (";
	const char *end = strrchr(qemus, ')');
	if (strncmp(qemus, before, sizeof before - 1) != 0 || !end) return qemus;
	const char *name = qemus + sizeof before - 1;
	int length = (int)(end - name);
	if (length >= 2 && memcmp(end - 2, "-0", 2) == 0) length -= 2;
	/* Of "[Stopped]" and "[Paused]" the user need not hear: a machine that is being restored stands still for a moment. */
	const char *keys = strstr(end, " - ");
	snprintf(title, sizeof title, "%.*s%s", length, name, keys ? keys : "");
	return title;
}

unsigned milliseconds(void) {
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (unsigned)(now.tv_sec * 1000 + now.tv_nsec / 1000000);
}
