/* WebSocket on loopback for the harness and its C echo: handshake, frames, time.
 *
 * Owns bytes on a socket. Knows no message. Both sides trust each other: this is no parser for
 * what comes from strangers.
 */
#ifndef HARNESS_WIRE_H
#define HARNESS_WIRE_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifdef WITH_TLS
#include <openssl/err.h>
#include <openssl/ssl.h>
#endif

enum { TEXT = 1, CLOSE = 8, PING = 9, PONG = 10, ROOM = 1 << 17, TURN_US = 500 };

struct wire {
    int fd;
#ifdef WITH_TLS
    SSL *tls; /* NULL where the link is plain. */
#endif
    int64_t arrived_ns; /* When the kernel had what was read last (CLOCK_MONOTONIC); see `stamp`. */
    size_t have;
    unsigned char bytes[ROOM];
};

static inline int64_t now_ns(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec * 1000000000LL + at.tv_nsec;
}

static inline int64_t wall_ms(void)
{
    struct timespec at;
    clock_gettime(CLOCK_REALTIME, &at);
    return at.tv_sec * 1000LL + at.tv_nsec / 1000000;
}

/* What the wall clock is ahead of the monotonic one; the kernel's stamps are the wall clock's. */
static inline int64_t wall_ahead_ns(void)
{
    struct timespec at;
    clock_gettime(CLOCK_REALTIME, &at);
    return at.tv_sec * 1000000000LL + at.tv_nsec - now_ns();
}

static inline void fail(const char *what)
{
    fprintf(stderr, "harness: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* Ask for short turns: who has them is let in at once when it wakes up, as the daemon asks too
 * (`machine.wake_at_once`), and so do the floors, or on a busy machine they were slower than it.
 * A kernel that does not know this refuses it, and whoever asked is late. */
static inline void wake_at_once(void)
{
    struct {
        uint32_t size, policy;
        uint64_t flags;
        int32_t nice;
        uint32_t priority;
        uint64_t turn_ns, deadline, period;
    } attributes = {
        .size = 48, .nice = getpriority(PRIO_PROCESS, 0), .turn_ns = TURN_US * 1000};
    syscall(SYS_sched_setattr, 0, &attributes, 0);
}

static inline void prompt(int fd)
{
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

/* Have the kernel note when what comes on a link was there. */
static inline void stamp(int fd)
{
    int one = 1;
    setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof one);
}

/* `recv` that keeps the kernel's stamp, where there is one. */
static inline ssize_t stamped_recv(struct wire *wire, void *bytes, size_t room, int flags)
{
    char control[CMSG_SPACE(sizeof(struct timespec))];
    struct iovec into = {bytes, room};
    struct msghdr message = {
        .msg_iov = &into, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    ssize_t got = recvmsg(wire->fd, &message, flags);
    struct cmsghdr *word = got > 0 ? CMSG_FIRSTHDR(&message) : NULL;
    if (word != NULL && word->cmsg_level == SOL_SOCKET && word->cmsg_type == SCM_TIMESTAMPNS) {
        struct timespec at;
        memcpy(&at, CMSG_DATA(word), sizeof at);
        wire->arrived_ns = at.tv_sec * 1000000000LL + at.tv_nsec - wall_ahead_ns();
    }
    return got;
}

/* One write and one read of a link, as `send` and `recv` have them. */
static inline ssize_t wire_send(struct wire *wire, const void *bytes, size_t count)
{
#ifdef WITH_TLS
    if (wire->tls != NULL) {
        int wrote = SSL_write(wire->tls, bytes, (int)count);
        if (wrote > 0)
            return wrote;
        int why = SSL_get_error(wire->tls, wrote);
        errno = why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? EAGAIN : EPIPE;
        return -1;
    }
#endif
    return send(wire->fd, bytes, count, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static inline ssize_t wire_recv(struct wire *wire, void *bytes, size_t room, int flags)
{
#ifdef WITH_TLS
    if (wire->tls != NULL) {
        /* The socket of a TLS link does not block; whoever may wait does so by poll. */
        int got = SSL_read(wire->tls, bytes, (int)room);
        if (got > 0)
            return got;
        int why = SSL_get_error(wire->tls, got);
        errno = why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? EAGAIN : EPIPE;
        if (errno == EAGAIN && !(flags & MSG_DONTWAIT)) {
            struct pollfd wait = {wire->fd, POLLIN, 0};
            poll(&wait, 1, -1);
        }
        return -1;
    }
#endif
    return stamped_recv(wire, bytes, room, flags);
}

/* Write all of it; a full buffer is waited for. Return 1 where it was, -1 for the end. */
static inline int put(struct wire *wire, const void *bytes, size_t count)
{
    const char *at = bytes;
    int waited = 0;
    while (count > 0) {
        ssize_t wrote = wire_send(wire, at, count);
        if (wrote < 0 && (errno == EAGAIN || errno == EINTR)) {
            struct pollfd room = {wire->fd, POLLOUT, 0};
            waited = 1;
            poll(&room, 1, 1);
            continue;
        }
        if (wrote <= 0)
            return -1;
        at += wrote;
        count -= (size_t)wrote;
    }
    return waited;
}

/* Write one frame into ``out``, masked by zeros if a client; return its length. */
static inline size_t frame(unsigned char *out, int opcode, const char *text, size_t count, int mask)
{
    size_t at = 2;
    out[0] = (unsigned char)(0x80 | opcode);
    if (count < 126) {
        out[1] = (unsigned char)count;
    } else if (count < 65536) {
        out[1] = 126;
        out[2] = (unsigned char)(count >> 8);
        out[3] = (unsigned char)count;
        at = 4;
    } else {
        out[1] = 127;
        for (int each = 0; each < 8; each++)
            out[2 + each] = (unsigned char)(count >> (56 - 8 * each));
        at = 10;
    }
    if (mask) {
        out[1] |= 0x80;
        memset(out + at, 0, 4);
        at += 4;
    }
    memcpy(out + at, text, count);
    return at + count;
}

/* Read what is there; 1 for something, 0 for nothing, -1 for the end. */
static inline int fill(struct wire *wire, int flags)
{
    ssize_t got = wire_recv(wire, wire->bytes + wire->have, ROOM - 1 - wire->have, flags);
    if (got > 0) {
        wire->have += (size_t)got;
#ifdef WITH_TLS
        /* What the library has taken already no poll tells of. */
        while (wire->tls != NULL && SSL_pending(wire->tls) > 0 && wire->have < ROOM - 1) {
            got = wire_recv(wire, wire->bytes + wire->have, ROOM - 1 - wire->have, flags);
            if (got <= 0)
                break;
            wire->have += (size_t)got;
        }
#endif
        return 1;
    }
    return got < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
}

/* Take the first whole frame; return its opcode, 0 for none. Its text ends with a zero and is
 * to be used before ``done`` drops it. */
static inline int first(struct wire *wire, char **text, size_t *count, size_t *whole)
{
    unsigned char *bytes = wire->bytes;
    if (wire->have < 2)
        return 0;
    size_t at = 2, length = bytes[1] & 0x7f;
    if (length == 126) {
        length = (size_t)bytes[2] << 8 | bytes[3];
        at = 4;
    } else if (length == 127) {
        length = 0;
        for (int each = 0; each < 8; each++)
            length = length << 8 | bytes[2 + each];
        at = 10;
    }
    int masked = bytes[1] & 0x80;
    size_t body = at + (masked ? 4 : 0);
    if (wire->have < body + length)
        return 0;
    if (masked)
        for (size_t each = 0; each < length; each++)
            bytes[body + each] ^= bytes[at + (each & 3)];
    bytes[1] &= 0x7f; /* Unmasked now, in its place. */
    if (masked)
        memset(bytes + at, 0, 4);
    *text = (char *)bytes + body;
    *count = length;
    *whole = body + length;
    return bytes[0] & 15;
}

static inline void done(struct wire *wire, size_t whole)
{
    wire->have -= whole;
    memmove(wire->bytes, wire->bytes + whole, wire->have);
}

#ifdef WITH_TLS
static SSL_CTX *tls_context; /* Made by whoever wants TLS; without one links are plain. */
#endif

/* Begin a link on a socket that was accepted or connected; -1 where TLS is refused. */
static inline int greet(struct wire *wire, int fd)
{
    wire->fd = fd;
    wire->have = 0;
#ifdef WITH_TLS
    wire->tls = NULL;
    if (tls_context != NULL) {
        wire->tls = SSL_new(tls_context);
        SSL_set_fd(wire->tls, fd);
        if ((SSL_is_server(wire->tls) ? SSL_accept(wire->tls) : SSL_connect(wire->tls)) != 1) {
            SSL_free(wire->tls);
            close(fd);
            return -1;
        }
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    }
#endif
    return 0;
}

static inline void shut(struct wire *wire)
{
#ifdef WITH_TLS
    if (wire->tls != NULL)
        SSL_free(wire->tls);
    wire->tls = NULL;
#endif
    close(wire->fd);
}

static inline uint32_t turn(uint32_t word, int by)
{
    return word << by | word >> (32 - by);
}

/* SHA-1 of fewer than 120 bytes: all that a handshake needs. */
static inline void sha1(const char *text, size_t count, unsigned char digest[20])
{
    unsigned char block[128] = {0};
    uint32_t h[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0}, w[80];
    size_t blocks = count + 9 > 64 ? 2 : 1;
    memcpy(block, text, count);
    block[count] = 0x80;
    for (int each = 0; each < 8; each++)
        block[blocks * 64 - 1 - each] = (unsigned char)((uint64_t)count * 8 >> (8 * each));
    for (size_t number = 0; number < blocks; number++) {
        for (int each = 0; each < 16; each++) {
            unsigned char *at = block + number * 64 + each * 4;
            w[each] = (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
        }
        for (int each = 16; each < 80; each++)
            w[each] = turn(w[each - 3] ^ w[each - 8] ^ w[each - 14] ^ w[each - 16], 1);
        uint32_t a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
        for (int each = 0; each < 80; each++) {
            uint32_t mixed = each < 20   ? ((b & c) | (~b & d)) + 0x5a827999
                             : each < 40 ? (b ^ c ^ d) + 0x6ed9eba1
                             : each < 60 ? ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc
                                         : (b ^ c ^ d) + 0xca62c1d6;
            uint32_t next = turn(a, 5) + mixed + e + w[each];
            e = d;
            d = c;
            c = turn(b, 30);
            b = a;
            a = next;
        }
        h[0] += a;
        h[1] += b;
        h[2] += c;
        h[3] += d;
        h[4] += e;
    }
    for (int each = 0; each < 20; each++)
        digest[each] = (unsigned char)(h[each / 4] >> (24 - 8 * (each % 4)));
}

/* Write what a server answers to a client's key into ``out``, 28 characters. */
static inline void accept_key(const char *key, size_t count, char out[29])
{
    static const char *digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char text[96];
    unsigned char digest[21] = {0};
    int length = snprintf(text, sizeof text, "%.*s258EAFA5-E914-47DA-95CA-C5AB0DC85B11",
                          (int)count, key);
    sha1(text, (size_t)length, digest);
    for (int each = 0; each < 7; each++) {
        uint32_t three = (uint32_t)digest[each * 3] << 16 | (uint32_t)digest[each * 3 + 1] << 8 |
                         digest[each * 3 + 2];
        for (int digit = 0; digit < 4; digit++)
            out[each * 4 + digit] = digits[three >> (18 - 6 * digit) & 63];
    }
    out[27] = '=';
    out[28] = 0;
}

#endif
