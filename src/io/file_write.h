/* Writing a file that is there whole or not at all.
 *
 *     struct file_write w;
 *     if (file_write_open(&w, path) != 0)
 *         return -1;
 *     int status = file_write_bytes(&w, data, bytes);
 *     return file_write_close(&w, status);
 */
#ifndef FLAMBEAU_IO_FILE_WRITE_H
#define FLAMBEAU_IO_FILE_WRITE_H

#include <stdbool.h>
#include <stdint.h>

enum { FILE_WRITE_NAME = 32 };

struct file_write {
    const char *path; /* as the caller gave it, for errors */
    char *target;     /* what is replaced: path behind its symbolic links; NULL: written in place */
    uint64_t target_bytes;
    uint64_t waiting;           /* bytes written since the disk was last told to begin */
    int file, folder;           /* descriptors */
    bool nameless;              /* the file has no name yet */
    char name[FILE_WRITE_NAME]; /* the temporary's, in the folder */
};

/* Begins to write. 0, or -1 with the error set (FL_FILE_NOT_FOUND where a folder is missing). */
int file_write_open(struct file_write *w, const char *path);
int file_write_bytes(struct file_write *w, const void *from, uint64_t bytes);
/* Ends it: puts the new file in the old one's place where `status` is 0, and else leaves the old
 * one as it was. Returns 0, or -1 with the error set. */
int file_write_close(struct file_write *w, int status);

#endif
