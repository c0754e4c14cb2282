/*
 * clock - a wall clock that can be stepped, for one service: preload it, and
 * let SOAK_CLOCK name a file of eight octets, how many seconds it is ahead.
 *
 * The kernel's clock is everybody's, and a time namespace has no wall clock
 * of its own.  Clocks that can't be stepped (CLOCK_MONOTONIC, CLOCK_BOOTTIME)
 * are left alone, and so is whoever waits by them.  Whoever waits for a time
 * of day, as libmilter's threads do, waits for that of the kernel.
 *
 * Build: cc -O2 -Wall -Wextra -shared -fPIC -o clock.so clock.c
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define A_TIME_OF_DAY 1000000000    /* seconds since 1970, and of no uptime */

static const volatile int64_t *ahead;

__attribute__((constructor)) static void begin(void) {
    static const int64_t none;
    const char *path = getenv("SOAK_CLOCK");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *page = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *ahead, PROT_READ, MAP_SHARED, fd, 0);
    ahead = page == MAP_FAILED ? &none : page;
    if (fd >= 0)
        close(fd);
}

int clock_gettime(clockid_t clock, struct timespec *at) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real)
        real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(clock, at);
    if (!result && ahead && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        at->tv_sec += *ahead;
    return result;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone) {
    (void)zone;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    at->tv_sec = now.tv_sec;
    at->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *at) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at)
        *at = now.tv_sec;
    return now.tv_sec;
}

int pthread_cond_timedwait(pthread_cond_t *restrict cond, pthread_mutex_t *restrict mutex,
                           const struct timespec *restrict until) {
    static int (*real)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
    if (!real)
        real = (int (*)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *))
            dlsym(RTLD_NEXT, "pthread_cond_timedwait");
    struct timespec then = *until;
    if (then.tv_sec > A_TIME_OF_DAY && ahead)
        then.tv_sec -= *ahead;
    return real(cond, mutex, &then);
}
