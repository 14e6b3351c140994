/* When the guest's picture takes the place of ours. */
#include "window.h"

/* A terminal that is black, with nothing in it, is shown after this. */
#define SOON_MS 2000
#define LOOK_MS 50

enum due look_at_wishes(struct showing *showing, unsigned now) {
	int changed = read_wishes(&showing->wishes);
	if (changed && showing->wishes.show == SHOW_PICTURE) showing->stage = PICTURE;
	if (changed && showing->wishes.show == SHOW_GUEST && showing->stage == PICTURE) {
		showing->stage = GUEST_SOON;
		showing->since = showing->painted_at = now;
		return LOOK_AGAIN;
	}
	unsigned passed = now - showing->painted_at;
	if (showing->stage == GUEST_SOON && passed >= LOOK_MS) {
		showing->painted_at = now;
		if (now - showing->since >= SOON_MS) showing->stage = GUEST;
		return LOOK_AGAIN;
	}
	if (showing->stage == PICTURE && (changed || passed >= STEP_MS)) {
		showing->step++;
		showing->painted_at = now;
		return REPAINT;
	}
	return NOTHING;
}

int is_drawn(const uint32_t *pixels, int count) {
	for (int i = 0; i < count; i++)
		if (pixels[i] & 0xffffff) return 1;
	return 0;
}
