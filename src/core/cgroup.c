/* Reads the limits of the control groups this process is in.
 *
 * /proc/self/cgroup has a line for each hierarchy, "number:controllers:path"; version 2 is the line
 * "0::path". A limit may stand at the process's own group or at any group above it, so each is
 * asked on the way up and the smallest counts. Inside a container the path often does not exist
 * below /sys/fs/cgroup; then the walk ends at its root, which is the container's own group.
 */
#include "core/cgroup.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_BYTES = 1024 };

/* The first line of DIR/NAME; false when there is no such file. */
static bool read_line(const char *dir, const char *name, char *line, int size)
{
    char path[3 * PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    bool ok = fgets(line, size, file) != NULL;
    fclose(file);
    return ok;
}

/* "max 100000", "150000 100000": processors in thousandths, 0 for no limit. */
static int64_t cpus_v2(const char *dir)
{
    char line[64];
    long long quota, period;
    if (!read_line(dir, "cpu.max", line, sizeof line) ||
        sscanf(line, "%lld %lld", &quota, &period) != 2 || quota <= 0 || period <= 0)
        return 0;
    return (quota * 1000 + period - 1) / period;
}

static int64_t cpus_v1(const char *dir)
{
    char line[64];
    if (!read_line(dir, "cpu.cfs_quota_us", line, sizeof line))
        return 0;
    long long quota = atoll(line);
    if (!read_line(dir, "cpu.cfs_period_us", line, sizeof line))
        return 0;
    long long period = atoll(line);
    return quota > 0 && period > 0 ? (quota * 1000 + period - 1) / period : 0;
}

static int64_t bytes_in(const char *dir, const char *name)
{
    char line[64];
    if (!read_line(dir, name, line, sizeof line) || line[0] == 'm')
        return 0;
    long long bytes = atoll(line);
    return bytes > 0 && bytes < (1LL << 60) ? bytes : 0; /* v1 writes a huge number for no limit */
}

static int64_t memory_v2(const char *dir)
{
    return bytes_in(dir, "memory.max");
}

static int64_t memory_v1(const char *dir)
{
    return bytes_in(dir, "memory.limit_in_bytes");
}

/* The smallest limit from ROOT/path up to ROOT; 0 for none. */
static int64_t walk_up(const char *root, char *path, int64_t (*limit)(const char *dir))
{
    char dir[2 * PATH_BYTES];
    int64_t least = 0;
    for (;;) {
        snprintf(dir, sizeof dir, "%s%s", root, path);
        int64_t here = limit(dir);
        if (here > 0 && (least == 0 || here < least))
            least = here;
        char *slash = strrchr(path, '/');
        if (!slash)
            return least;
        *slash = '\0';
    }
}

/* Whether the comma-separated list holds the word. */
static bool lists(const char *list, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = list; at; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncmp(at, word, length) == 0 && (at[length] == ',' || at[length] == '\0'))
            return true;
    }
    return false;
}

static int64_t smallest(const char *controller, int64_t (*v2)(const char *),
                        int64_t (*v1)(const char *))
{
    FILE *file = fopen("/proc/self/cgroup", "re");
    if (!file)
        return 0;
    char line[PATH_BYTES];
    int64_t least = 0;
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = '\0';
        char *controllers = strchr(line, ':');
        char *path = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!path)
            continue;
        *controllers++ = '\0';
        *path++ = '\0';
        int64_t here = 0;
        if (*controllers == '\0') {
            here = walk_up("/sys/fs/cgroup", path, v2);
        } else if (lists(controllers, controller)) {
            char root[PATH_BYTES + 32];
            snprintf(root, sizeof root, "/sys/fs/cgroup/%s", controllers);
            here = walk_up(root, path, v1);
        }
        if (here > 0 && (least == 0 || here < least))
            least = here;
    }
    fclose(file);
    return least;
}

int cgroup_cpus(void)
{
    int64_t thousandths = smallest("cpu", cpus_v2, cpus_v1);
    return (int)((thousandths + 999) / 1000);
}

int64_t cgroup_memory(void)
{
    return smallest("memory", memory_v2, memory_v1);
}
