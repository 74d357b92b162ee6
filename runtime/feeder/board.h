/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a feeder and the programs under its shim share: two blocks of memory.
 *
 *     arena   the feeder's memory for file contents; programs map it read-only
 *     board   who has which files open, what lies where in the arena, events
 *             for the feeder, what took how long (spans), counters; programs
 *             map it for writing too
 *
 *     program (shim)                          feeder
 *       open ─── OPEN event ────────────────▶ looks the file over: file entry
 *       read ─── READ event, a block ahead ─▶ reads blocks into the arena
 *            ◀── slot READY ───────────────── publishes them
 *       copies, and looks again whether the slot is still what it was
 *
 * A program never waits for a lock here and holds nothing: it may be killed at
 * any instruction, fork, or run a signal handler in between. The feeder
 * trusts nothing it finds on the board: a program may have scribbled on it.
 *
 * No stale byte. A file's entry carries its identity: device, inode, size,
 * mtime and ctime. The shim asks the kernel for these (fstat of the very
 * descriptor) before each block that it copies, and copies only if they are
 * the entry's. The feeder asks before and after it has read a block, and
 * keeps the block only if both times the entry's identity was there and its
 * ctime was older than FGI_FEED_SETTLED_NS: then any later write must have
 * moved the ctime, whatever the grain of the kernel's clock.
 *
 * This header needs nothing but the C library: the shim includes it alone.
 */
#ifndef FGI_FEEDER_BOARD_H
#define FGI_FEEDER_BOARD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* "PID:BOARD_FD:ARENA_FD" of the feeder: /proc/PID/fd/... are opened. */
#define FGI_BOARD_VARIABLE "FEEDGPU_BOARD"

#define FGI_BOARD_MAGIC UINT64_C(0x6472616f62676631) /* "1fgboard" */
#define FGI_BOARD_VERSION 3u

/* A block of a file: FGI_FEED_BLOCK_BYTES at a multiple of it; the last one of
 * a file, or its only one, is shorter. */
#define FGI_FEED_BLOCK_BYTES (1u << 20)

/* A file that changed later than that before now is left alone. */
#define FGI_FEED_SETTLED_NS UINT64_C(100000000)

/* Smaller files are left alone, unless somebody says otherwise. */
#define FGI_FEED_FILE_BYTES_MIN (16u << 10)

/* Where no training data is, but much that each program reads at its start. */
#define FGI_SYSTEM_FOLDERS                                                     \
    "/bin/", "/boot/", "/dev/", "/etc/", "/lib/", "/lib32/", "/lib64/",        \
        "/proc/", "/sbin/", "/sys/", "/usr/", "/run/", "/snap/",               \
        "/var/cache/", "/var/lib/dpkg/"

/* ---- files ------------------------------------------------------------ */

enum fgi_feed_mode {
    FGI_FEED_WATCH = 0, /* count, tell; reads are the kernel's */
    FGI_FEED_COPY = 1,  /* blocks of it may be in the arena */
    FGI_FEED_LOOK = 2,  /* not decided yet: a moment's wait may be worth it */
    FGI_FEED_WARM = 3,  /* reads are the kernel's; where, is wanted each time */
};

/* What tells one state of a file from any other. */
struct fgi_feed_key {
    uint64_t device; /* st_dev */
    uint64_t inode;
    uint64_t size_bytes;
    uint64_t mtime_ns; /* since 1970 */
    uint64_t ctime_ns; /* since 1970 */
};

/*
 * A file that some program has open, or that the feeder thinks will be opened.
 * The feeder writes it: key and mode first, then id; to retire it, id 0. An id
 * is never used twice, so who finds the same id before and after has read one
 * file's key. Counters are the programs'.
 */
struct fgi_feed_file {
    _Atomic uint32_t id;   /* 0: free */
    _Atomic uint32_t mode; /* enum fgi_feed_mode */
    _Atomic uint64_t device;
    _Atomic uint64_t inode;
    _Atomic uint64_t size_bytes;
    _Atomic uint64_t mtime_ns;
    _Atomic uint64_t ctime_ns;
    _Atomic uint64_t reads;        /* calls */
    _Atomic uint64_t arena_bytes;  /* copied from the arena */
    _Atomic uint64_t kernel_bytes; /* read by the kernel */
    _Atomic uint64_t blocked_ns;   /* in read calls of any kind */
    _Atomic uint64_t opens;        /* the feeder's count, as events tell */
    _Atomic uint64_t open_ns;      /* of these, in open calls */
    _Atomic uint64_t mapped_bytes; /* by mmap: not seen any further */
    uint64_t spare[3];
};

/* An entry is at its hash or one of the next ones. */
#define FGI_FILE_PROBES 16u

/* ---- slots: blocks in the arena ---------------------------------------- */

enum fgi_slot_state {
    FGI_SLOT_EMPTY = 0,
    FGI_SLOT_READING = 1, /* under way: worth waiting for */
    FGI_SLOT_READY = 2,
};

#define FGI_SLOT_STATE 3u  /* bits of word */
#define FGI_SLOT_WAITED 4u /* a program sleeps on word: a wake is due */
#define FGI_SLOT_KEPT 8u   /* of READY: no other block will take its place */
#define FGI_SLOT_STEP 16u  /* word counts its states in these */

/*
 * A reader takes word, tag, offset, length, copies, and takes word again: if it
 * has not moved, the copy is good. The feeder moves word to EMPTY before it
 * changes anything else, the arena's bytes included, and lets word never
 * repeat. WAITED is set by programs, in READING only.
 */
struct fgi_slot {
    _Atomic uint32_t word;
    _Atomic uint32_t length_bytes; /* valid bytes of the block */
    _Atomic uint64_t tag;          /* fgi_slot_tag */
    _Atomic uint64_t offset;       /* in the arena */
};

/* Slots of one tag are in the bucket of its hash. */
#define FGI_BUCKET_SLOTS 8u

static inline uint64_t fgi_slot_tag(uint32_t file_id, uint32_t block)
{
    return (uint64_t)file_id << 32 | block;
}

/* The finaliser of SplitMix64 (Steele, Lea, Flood, 2014). */
static inline uint64_t fgi_board_hash(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

/* ---- events ------------------------------------------------------------ */

enum fgi_event_kind {
    FGI_EVENT_OPEN = 1,  /* a file was opened: path, key */
    FGI_EVENT_READ = 2,  /* a read of [offset, offset + bytes) began */
    FGI_EVENT_MAP = 3,   /* mmap of that range: warm the page cache */
    FGI_EVENT_STDIO = 4, /* fopen: as OPEN; its reads are not seen */
    FGI_EVENT_COPY = 5,  /* sendfile or the like of that range: as MAP */
};

#define FGI_EVENT_PATH_BYTES 168u

/*
 * One event. Events are hints: a program that dies while it writes one, or a
 * feeder that is late, loses some. Written as: sequence 0, the rest, sequence
 * position + 1.
 */
struct fgi_event {
    _Atomic uint64_t sequence;
    uint32_t kind;
    int32_t pid;
    int32_t fd;       /* in that process */
    uint32_t file_id; /* of the entry; 0: not known yet, or OPEN, STDIO */
    uint64_t offset;  /* READ, MAP, COPY */
    uint64_t bytes;   /* those; OPEN, STDIO: nanoseconds that it took */
    struct fgi_feed_key key;
    char path[FGI_EVENT_PATH_BYTES]; /* as given to open; "": longer than this,
                                        or not known */
    uint64_t spare;
};

/* ---- actors: threads of programs, their counters ------------------------- */

/* Written by its thread; the last actor is shared by all that came too late. */
struct fgi_actor {
    _Atomic int32_t pid;
    _Atomic int32_t tid;
    _Atomic uint64_t reads;        /* read calls on watched files */
    _Atomic uint64_t arena_bytes;  /* copied from the arena */
    _Atomic uint64_t kernel_bytes; /* by the kernel */
    _Atomic uint64_t kernel_ns;    /* in the kernel's reads */
    _Atomic uint64_t wait_ns;      /* asleep for a block under way */
    _Atomic uint64_t copy_ns;      /* copying from the arena */
    _Atomic uint64_t opens;        /* of watched files */
    _Atomic uint64_t open_ns;
    _Atomic uint64_t first_ns;     /* CLOCK_MONOTONIC of its first read */
    _Atomic uint64_t last_ns;      /* end of its last one */
    _Atomic uint64_t fallbacks;    /* slot changed under a copy; done again */
    char name[16];                 /* of the thread at its first read */
    _Atomic uint64_t mapped_bytes; /* of files that were not looked at */
    uint64_t spare[1];
};

/* ---- spans: what took how long ------------------------------------------- */

enum fgi_span_kind {
    FGI_SPAN_KERNEL = 1,
    FGI_SPAN_COPY_HTOD = 2, /* host to device */
    FGI_SPAN_COPY_OTHER = 3,
    FGI_SPAN_MEMSET = 4,
    FGI_SPAN_READ = 5, /* a read call of at least FGI_SPAN_READ_NS */
};

#define FGI_SPAN_READ_NS UINT64_C(50000)
#define FGI_SPAN_NO_FILE UINT32_MAX

/* detail of copies: the host's side. */
enum fgi_span_memory {
    FGI_MEMORY_UNKNOWN = 0, /* managed, or not told */
    FGI_MEMORY_PAGEABLE = 1,
    FGI_MEMORY_PINNED = 2,
};

/* Written as events are, and as easily lost. Times are CLOCK_MONOTONIC. */
struct fgi_span {
    _Atomic uint64_t sequence;
    uint64_t start_ns;
    uint64_t end_ns;
    uint64_t bytes;  /* copies, READ */
    uint32_t kind;   /* enum fgi_span_kind */
    int32_t pid;     /* of the program */
    uint32_t device; /* entry of board.gpus; READ: 0 */
    uint32_t stream; /* READ: the thread's id */
    uint32_t detail; /* copies: enum fgi_span_memory; READ: entry of files,
                        or FGI_SPAN_NO_FILE */
    uint32_t spare[3];
};

/* ---- GPUs that programs use, and who records them ------------------------ */

enum fgi_gpu_state {
    FGI_GPU_FREE = 0,
    FGI_GPU_FILLING = 1,
    FGI_GPU_THERE = 2, /* and does not change any more */
};

/* Programs number GPUs as they are told to: here each has one number. Two
 * programs that come at once may make two entries of one GPU. */
struct fgi_gpu {
    _Atomic uint32_t state;
    uint32_t spare;
    uint8_t uuid[16]; /* made of pid and number, if the driver tells none */
    char bus_id[24];  /* "0000:c1:00.0", or "" */
    char name[64];    /* or "" */
};

enum fgi_recorder_state {
    FGI_RECORDER_NONE = 0,
    FGI_RECORDER_ON = 1,
    FGI_RECORDER_OFF = 2,   /* the note says why */
    FGI_RECORDER_ENDED = 3, /* all of it has been told */
};

/* A process in which the CUDA driver has started. Written by it alone; the
 * last one is shared by all that came too late. */
struct fgi_recorder {
    _Atomic int32_t pid;
    _Atomic uint32_t state;   /* last, when the rest is there */
    _Atomic uint32_t version; /* CUPTI's */
    _Atomic uint32_t spare;
    _Atomic uint64_t records; /* of the kinds that we ask for */
    _Atomic uint64_t dropped; /* CUPTI had no room for them */
    _Atomic uint64_t untimed; /* had no times */
    _Atomic uint64_t unknown; /* not to be understood */
    char note[128];
};

#define FGI_GPUS_MAX 64u
#define FGI_RECORDERS_MAX 64u

/* ---- the board ----------------------------------------------------------- */

#define FGI_BOARD_OBSERVE 1u /* flags: count only, nothing is in the arena */

#define FGI_BOARD_RULES_BYTES 4096u

/*
 * Header of the board. Geometry does not change; a program copies it when it
 * maps the board, after checking it against the size of what it mapped.
 */
struct fgi_board {
    uint64_t magic;
    uint32_t version;
    uint32_t flags; /* FGI_BOARD_... */
    uint64_t board_bytes;
    uint64_t arena_bytes;
    uint32_t file_count;  /* power of two */
    uint32_t slot_count;  /* power of two */
    uint32_t event_count; /* power of two */
    uint32_t actor_count;
    uint32_t span_count; /* power of two */
    uint32_t reserved;
    uint64_t file_offset; /* where the arrays begin on the board */
    uint64_t slot_offset;
    uint64_t event_offset;
    uint64_t actor_offset;
    uint64_t span_offset;
    uint64_t file_bytes_min; /* smaller files are not looked at */
    /* Path prefixes, each ended by NUL, an empty one at the end: files below
     * "+/..." ones are looked at whatever the "-/..." ones say. */
    char rules[FGI_BOARD_RULES_BYTES];
    struct fgi_gpu gpus[FGI_GPUS_MAX];
    struct fgi_recorder recorders[FGI_RECORDERS_MAX];

    /* 1: the feeder finds that all is in the page cache. Programs look at only
     * some of the small files that they open then. */
    _Alignas(64) _Atomic uint32_t is_calm;

    /* Lines of their own: written often, by different sides. */
    _Alignas(64) _Atomic uint64_t heartbeat_ns; /* CLOCK_MONOTONIC; 0: closed */
    _Alignas(64) _Atomic uint64_t event_tail;   /* events claimed so far */
    _Atomic uint32_t actor_next;                /* actors claimed so far */
    _Atomic uint32_t recorder_next;             /* recorders, likewise */
    _Alignas(64) _Atomic uint64_t span_tail;    /* spans claimed so far */
    _Alignas(64) _Atomic uint32_t event_moves;  /* futex of the feeder */
    _Atomic uint32_t feeder_sleeps;             /* 1: a wake is wanted */
};

/* A feeder that has not shown itself for so long is taken for dead. */
#define FGI_HEARTBEAT_NS_MAX UINT64_C(2000000000)
#define FGI_HEARTBEAT_NS UINT64_C(250000000) /* how often it does */

/* Both sides' view of a mapped board: pointers that were checked. */
struct fgi_board_view {
    struct fgi_board *board;
    struct fgi_feed_file *files;
    struct fgi_slot *slots;
    struct fgi_event *events;
    struct fgi_actor *actors;
    struct fgi_span *spans;
    uint32_t file_mask;
    uint32_t bucket_mask;
    uint32_t event_mask;
    uint32_t span_mask;
    uint32_t actor_count;
    const uint8_t *arena;
    uint64_t arena_bytes;
};

static inline bool fgi_board_fits(uint64_t at, uint64_t count, uint64_t bytes,
                                  uint64_t board_bytes)
{
    return at % 64 == 0 && at >= sizeof(struct fgi_board) &&
           at <= board_bytes && count <= (board_bytes - at) / bytes;
}

static inline bool fgi_board_is_power(uint32_t count)
{
    return count != 0 && (count & (count - 1)) == 0;
}

/*
 * Check a mapped board of board_bytes and an arena of arena_bytes, and fill
 * the view. False: it is no board of this version.
 */
static inline bool fgi_board_look(struct fgi_board *board, uint64_t board_bytes,
                                  const void *arena, uint64_t arena_bytes,
                                  struct fgi_board_view *view)
{
    uint8_t *base = (uint8_t *)board;
    if (board_bytes < sizeof(*board) || board->magic != FGI_BOARD_MAGIC ||
        board->version != FGI_BOARD_VERSION ||
        board->board_bytes != board_bytes ||
        board->arena_bytes != arena_bytes ||
        !fgi_board_is_power(board->file_count) ||
        !fgi_board_is_power(board->slot_count) ||
        board->slot_count < FGI_BUCKET_SLOTS ||
        !fgi_board_is_power(board->event_count) ||
        !fgi_board_is_power(board->span_count) || board->actor_count == 0 ||
        !fgi_board_fits(board->file_offset, board->file_count,
                        sizeof(struct fgi_feed_file), board_bytes) ||
        !fgi_board_fits(board->slot_offset, board->slot_count,
                        sizeof(struct fgi_slot), board_bytes) ||
        !fgi_board_fits(board->event_offset, board->event_count,
                        sizeof(struct fgi_event), board_bytes) ||
        !fgi_board_fits(board->actor_offset, board->actor_count,
                        sizeof(struct fgi_actor), board_bytes) ||
        !fgi_board_fits(board->span_offset, board->span_count,
                        sizeof(struct fgi_span), board_bytes)) {
        return false;
    }
    view->board = board;
    view->files = (struct fgi_feed_file *)(base + board->file_offset);
    view->slots = (struct fgi_slot *)(base + board->slot_offset);
    view->events = (struct fgi_event *)(base + board->event_offset);
    view->actors = (struct fgi_actor *)(base + board->actor_offset);
    view->spans = (struct fgi_span *)(base + board->span_offset);
    view->file_mask = board->file_count - 1;
    view->bucket_mask = board->slot_count / FGI_BUCKET_SLOTS - 1;
    view->event_mask = board->event_count - 1;
    view->span_mask = board->span_count - 1;
    view->actor_count = board->actor_count;
    view->arena = (const uint8_t *)arena;
    view->arena_bytes = arena_bytes;
    return true;
}

/* Where the search for a file begins. */
static inline uint32_t fgi_board_file_home(const struct fgi_board_view *view,
                                           uint64_t device, uint64_t inode)
{
    return (uint32_t)fgi_board_hash(inode ^ device << 40) & view->file_mask;
}

/* The bucket of a block. */
static inline struct fgi_slot *
fgi_board_bucket(const struct fgi_board_view *view, uint64_t tag)
{
    uint32_t bucket = (uint32_t)fgi_board_hash(tag) & view->bucket_mask;
    return view->slots + (size_t)bucket * FGI_BUCKET_SLOTS;
}

#endif /* FGI_FEEDER_BOARD_H */
