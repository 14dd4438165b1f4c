/* Writing a file that is there whole or not at all.
 *
 * The bytes go to a new file in the target's folder, which takes the target's place by rename when
 * they are on the disk: until then readers see the old file, and a crash, a full disk or a second
 * writer changes nothing of it. The folder itself is not waited for: a power cut soon after may leave
 * the old file, as whole as the new one. The new file has no name while it is written (O_TMPFILE), so a
 * process that is killed leaves nothing behind; where the file system has no nameless files it has
 * an unpredictable name, opened with O_EXCL. Symbolic links are followed before: what they point at
 * is replaced, and they stay. A pipe or a device is written as it is.
 *
 * The blocks of the old file are given back by whoever closes it last, milliseconds for some megabytes:
 * a thread of its own does that for a large file, so that who saves need not wait.
 */
#include "io/file_write.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/error.h"
#include "core/memory.h"
#include "core/pin.h"
#include "flambeau/base.h"

enum { MAX_LINKS = 40 };

static int failed(const char *path)
{
    return error_set(errno == ENOENT ? FL_FILE_NOT_FOUND : FL_IO_ERROR, "%s: '%s'", strerror(errno),
                     path);
}

/* How much of a path is its folder, the last slash included. */
static size_t folder_length(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? (size_t)(slash - path) + 1 : 0;
}

/* The path behind the symbolic links at its end into `target` (PATH_MAX). */
static int follow_links(const char *path, char *target)
{
    char link[PATH_MAX];
    size_t length = strlen(path);
    if (length >= PATH_MAX)
        return errno = ENAMETOOLONG, -1;
    memcpy(target, path, length + 1);
    for (int i = 0; i < MAX_LINKS; i++) {
        ssize_t got = readlink(target, link, sizeof link - 1);
        if (got < 0)
            return errno == EINVAL || errno == ENOENT ? 0 : -1; /* no link, or nothing there */
        link[got] = '\0';
        size_t folder = link[0] == '/' ? 0 : folder_length(target);
        if (folder + (size_t)got >= PATH_MAX)
            return errno = ENAMETOOLONG, -1;
        memcpy(target + folder, link, (size_t)got + 1);
    }
    return errno = ELOOP, -1;
}

static int open_folder(const char *target)
{
    char folder[PATH_MAX] = ".";
    size_t length = folder_length(target);
    if (length) {
        memcpy(folder, target, length);
        folder[length] = '\0';
    }
    return open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* An unpredictable name for the new file. */
static int choose_name(struct file_write *w)
{
    uint64_t random;
    if (getentropy(&random, sizeof random) != 0)
        return -1;
    snprintf(w->name, sizeof w->name, ".%016llx.tmp", (unsigned long long)random);
    return 0;
}

/* The new file: a descriptor, or -1 with errno. */
static int open_new(struct file_write *w, mode_t mode)
{
    int file = -1;
    if (access("/proc/self/fd", X_OK) == 0) /* what gives a nameless file its name */
        file = openat(w->folder, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, mode);
    w->nameless = file >= 0;
    if (file >= 0)
        return file;
    do {
        if (choose_name(w) != 0)
            return -1;
        file =
            openat(w->folder, w->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    } while (file < 0 && errno == EEXIST);
    return file;
}

/* Gives the new file the owner and the mode of the one that it replaces. A stranger who may write
 * the folder but not give files away keeps the mode alone. */
static int take_over(int file, const struct stat *old)
{
    struct stat made;
    if (fstat(file, &made) != 0)
        return -1;
    if ((made.st_uid != old->st_uid || made.st_gid != old->st_gid) &&
        fchown(file, old->st_uid, old->st_gid) != 0 && errno != EPERM)
        return -1;
    return fchmod(file, old->st_mode & 07777);
}

int file_write_open(struct file_write *w, const char *path)
{
    struct stat old;
    char target[PATH_MAX];
    *w = (struct file_write){.path = path, .file = -1, .folder = -1};
    int there = stat(path, &old) == 0;
    if (!there && errno != ENOENT)
        return failed(path);
    if (there && !S_ISREG(old.st_mode)) {
        w->file = open(path, O_WRONLY | O_CLOEXEC);
        return w->file < 0 ? failed(path) : 0;
    }
    if (follow_links(path, target) != 0)
        return failed(path);
    const char *last = target + folder_length(target);
    if (!*last || strlen(last) > NAME_MAX) {
        errno = *last ? ENAMETOOLONG : there ? EISDIR : ENOENT;
        return failed(path);
    }
    w->folder = open_folder(target);
    w->file = w->folder < 0 ? -1 : open_new(w, there ? 0600 : 0666);
    if (w->file < 0 || (there && take_over(w->file, &old) != 0))
        return failed(path), file_write_close(w, -1);
    w->target_bytes = strlen(target) + 1;
    w->target = memory_alloc(w->target_bytes);
    if (!w->target)
        return file_write_close(w, -1);
    memcpy(w->target, target, w->target_bytes);
    return 0;
}

/* Lets the disk begin with what it has been given, so that it works while more is copied to it and
 * less is left when the file must be there; of many small pieces now and then, since each time costs
 * a call and writes a page that the next piece goes on with. A system that cannot starts at the
 * end. */
static void start_writing(struct file_write *w, uint64_t bytes)
{
    enum { ENOUGH = 1 << 20 };
    w->waiting += bytes;
#if defined(SYNC_FILE_RANGE_WRITE)
    if (w->target && w->waiting >= ENOUGH) {
        sync_file_range(w->file, 0, 0, SYNC_FILE_RANGE_WRITE);
        w->waiting = 0;
    }
#endif
}

int file_write_bytes(struct file_write *w, const void *from, uint64_t bytes)
{
    assert(from || bytes == 0);
    const char *at = from;
    const uint64_t all = bytes;
    while (bytes > 0) {
        ssize_t done = write(w->file, at, bytes < 1 << 30 ? (size_t)bytes : 1 << 30);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return error_set(FL_IO_ERROR, "writing failed: %s: '%s'", strerror(errno), w->path);
        at += done;
        bytes -= (uint64_t)done;
    }
    start_writing(w, all);
    return 0;
}

/* Gives a nameless file a name in the folder: only then can it be renamed over another. */
static int give_name(struct file_write *w)
{
    char self[40];
    snprintf(self, sizeof self, "/proc/self/fd/%d", w->file);
    for (;;) {
        if (choose_name(w) != 0)
            return -1;
        if (linkat(AT_FDCWD, self, w->folder, w->name, AT_SYMLINK_FOLLOW) == 0)
            return w->nameless = false, 0;
        if (errno != EEXIST)
            return -1;
    }
}

static void *close_there(void *file)
{
    close((int)(intptr_t)file);
    return NULL;
}

/* Closes the last descriptor of a file without a name, by a thread that takes no signals where the
 * system has one to give. */
static void close_aside(int file)
{
    pthread_t thread;
    sigset_t all, before;
    pin_library();
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (pthread_create(&thread, NULL, close_there, (void *)(intptr_t)file) == 0)
        pthread_detach(thread);
    else
        close(file);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* A descriptor of the old file, for close_aside; -1 where there is none worth a thread. */
static int hold_old(const struct file_write *w, const char *last)
{
    enum { LARGE = 1 << 20 };
    struct stat old;
    return fstatat(w->folder, last, &old, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(old.st_mode) &&
                   old.st_nlink == 1 && old.st_size >= LARGE
               ? openat(w->folder, last, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
               : -1;
}

/* Puts the new file, once it is on the disk, in the old one's place. */
static int publish(struct file_write *w)
{
    const char *last = w->target + folder_length(w->target);
    if (fsync(w->file) == 0 && (!w->nameless || give_name(w) == 0)) {
        const int old = hold_old(w, last);
        const int done = renameat(w->folder, w->name, w->folder, last), error = errno;
        if (old >= 0)
            close_aside(old);
        errno = error;
        if (done == 0) {
            w->nameless = true; /* the temporary name is gone */
            return 0;
        }
    }
    return error_set(FL_IO_ERROR, "writing failed: %s: '%s'", strerror(errno), w->path);
}

int file_write_close(struct file_write *w, int status)
{
    if (status == 0 && w->target)
        status = publish(w);
    if (w->file >= 0) {
        if (w->folder >= 0 && !w->nameless)
            unlinkat(w->folder, w->name, 0);
        if (close(w->file) != 0 && status == 0 && !w->target)
            status = error_set(FL_IO_ERROR, "writing failed: %s: '%s'", strerror(errno), w->path);
    }
    if (w->folder >= 0)
        close(w->folder);
    memory_free(w->target, w->target ? w->target_bytes : 0);
    return status;
}
