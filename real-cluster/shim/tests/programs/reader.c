// Answers each line of its input with what all ways to read a clock say. "exit N" ends it; after "leave" its child goes on.
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long long ns(clockid_t clock) {
    struct timespec now;
    if (clock_gettime(clock, &now) != 0) return -1;
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static void *in_thread(void *to) {
    *(long long *)to = ns(CLOCK_REALTIME);
    return NULL;
}

static long long in_child(void) {
    int ends[2];
    long long now = -1;
    if (pipe(ends) != 0) return -1;
    pid_t child = fork();
    if (child == 0) {
        now = ns(CLOCK_REALTIME);
        _exit(write(ends[1], &now, sizeof now) != sizeof now);
    }
    if (read(ends[0], &now, sizeof now) != sizeof now) now = -1;
    waitpid(child, NULL, 0);
    close(ends[0]);
    close(ends[1]);
    return now;
}

static void look(void) {
    struct timeval day;
    struct timezone zone = {77, 77};
    time_t stored = 0;
    pthread_t thread;
    long long in_a_thread = -1;
    pthread_create(&thread, NULL, in_thread, &in_a_thread);
    pthread_join(thread, NULL);
    gettimeofday(&day, &zone);
    time(&stored);
    printf("wall=%lld coarse=%lld day=%lld seconds=%lld stored=%lld thread=%lld child=%lld mono=%lld ",
           ns(CLOCK_REALTIME), ns(CLOCK_REALTIME_COARSE), day.tv_sec * 1000000000LL + day.tv_usec * 1000LL,
           time(NULL) * 1000000000LL, stored * 1000000000LL, in_a_thread, in_child(), ns(CLOCK_MONOTONIC));
    // Less what the machine says that it is ahead of the wall clock, which the test cannot know.
    long long tai = ns(CLOCK_TAI);
    printf("tai=%lld west=%d fault=%ld\n", tai, zone.tz_minuteswest,
           syscall(SYS_clock_gettime, CLOCK_REALTIME, (void *)16));
}

int main(int count, char **words) {
    char line[64];
    if (count > 1 && strcmp(words[1], "bench") == 0) {
        long reads = atol(words[2]);
        long long begun = ns(CLOCK_MONOTONIC);
        for (long i = 0; i < reads; i++) ns(CLOCK_REALTIME);
        printf("%.0f ns a read\n", (double)(ns(CLOCK_MONOTONIC) - begun) / reads);
        return 0;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    while (fgets(line, sizeof line, stdin)) {
        if (strncmp(line, "exit", 4) == 0) return atoi(line + 4);
        if (strncmp(line, "leave", 5) == 0 && fork() != 0) return 9;
        look();
    }
    return 0;
}
