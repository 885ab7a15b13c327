#define _DEFAULT_SOURCE
#include "cnumerics.h"
#include <string.h>
#if defined(__linux__)
#include <sys/mman.h>
#endif

#define HUGE_PAGE ((uintptr_t)2 << 20)

void cn_zero(void *p, size_t bytes) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    // Before the first touch, when the kernel can still choose. Only the whole huge pages inside: the rest is shared with other objects.
    uintptr_t first = ((uintptr_t)p + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1), last = ((uintptr_t)p + bytes) & ~(HUGE_PAGE - 1);
    if (last > first) (void)madvise((void *)first, last - first, MADV_HUGEPAGE);  // a hint: nothing depends on it
#endif
    memset(p, 0, bytes);
}
