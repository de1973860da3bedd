/* The exchange of the benchmark: it answers what the daemon asks, and times what it does.
 *
 * One process plays Binance Spot on one loopback port: set-up answers, a book that moves when
 * told, and orders that are taken and never filled. In a block it sends one frame of market
 * data at each beat and spins until an order frame has come. `harness_echo` and
 * `harness_peer.py` have the same two links, so that the floor is timed by the same lines.
 *
 * Standard input, a line each; each answer is a line of standard output:
 *
 *     pid PEER PID                     whom to stop while another is timed
 *     block PEER STREAM ROUNDS BEAT_US   STREAM: touch | depth; then a line of four numbers a
 *                                      round, in ns: sent to first order frame (-1: none came),
 *                                      beat to first, sent to last, bytes of the first
 *     flood COUNT                      depth to the daemon as fast as it reads, the last one moves
 *                                      the book; then a line: ns until the order (-1: none came)
 *     quit
 *
 * The beat does not wait for a late answer: what came late delays the next, and is counted from
 * the beat (no coordinated omission). From "sent" the exchange's own lateness is left out.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <signal.h>

#include "harness_wire.h"

enum { LINKS = 64, HTTP = 1, MARKET = 2, ORDER = 3, PEERS = 3, SIDE_LEVELS = 28, BASE = 60000 };
enum { SETTLE_US = 20000, WARM_ROUNDS = 5, LATE_MS = 200, QUIET_US = 400, SPREAD = 40, REFRESH_MS = 300, FLOOD_S = 60 };

static const char *NAMES[PEERS] = {"hftd", "c", "picows"};
static struct wire links[LINKS];
static int kinds[LINKS], peers[LINKS];
static pid_t pids[PEERS];
/* Each peer has a book of its own, or one would see the other's updates as a gap. */
struct book {
    int64_t update_id, depth_id;
    int shifted; /* It stands one up. */
};
static struct book books[PEERS] = {{1000, 1000, 0}, {1000, 1000, 0}, {1000, 1000, 0}};
static int64_t report_id, refreshed_ns;

/* What an order frame of the round says, kept to be answered after the clock has stopped. */
static char asked[16][2048];
static int asked_count;

static void say(struct wire *link, const char *text)
{
    static unsigned char out[ROOM];
    put(link->fd, out, frame(out, TEXT, text, strlen(text), 0));
}

static const char *field(const char *json, const char *name, char out[128])
{
    char quoted[64];
    snprintf(quoted, sizeof quoted, "\"%s\":\"", name);
    const char *at = strstr(json, quoted);
    out[0] = 0;
    if (at != NULL)
        sscanf(at + strlen(quoted), "%127[^\"]", out);
    return out;
}

static uint32_t order_id(const char *client_id)
{
    uint32_t hash = 2166136261u;
    for (; *client_id; client_id++)
        hash = (hash ^ (unsigned char)*client_id) * 16777619u;
    return hash >> 1 | 1;
}

static int placed(char *out, size_t room, const char *json)
{
    char id[128], price[128], qty[128], side[128];
    field(json, "newClientOrderId", id);
    return snprintf(out, room,
                    "{\"symbol\":\"BTCUSDT\",\"orderId\":%u,\"orderListId\":-1,"
                    "\"clientOrderId\":\"%s\",\"transactTime\":%lld,\"price\":\"%s\","
                    "\"origQty\":\"%s\",\"executedQty\":\"0.00000000\",\"status\":\"NEW\","
                    "\"timeInForce\":\"GTC\",\"type\":\"LIMIT_MAKER\",\"side\":\"%s\"}",
                    order_id(id), id, (long long)wall_ms(), field(json, "price", price),
                    field(json, "quantity", qty), field(json, "side", side));
}

static int canceled(char *out, size_t room, const char *target)
{
    return snprintf(out, room,
                    "{\"symbol\":\"BTCUSDT\",\"origClientOrderId\":\"%s\",\"orderId\":%u,"
                    "\"orderListId\":-1,\"clientOrderId\":\"x\",\"transactTime\":%lld,"
                    "\"executedQty\":\"0.00000000\",\"status\":\"CANCELED\",\"side\":\"BUY\"}",
                    target, order_id(target), (long long)wall_ms());
}

static void report(struct wire *link, const char *json, const char *id, int is_new)
{
    char text[2048], side[128], price[128], qty[128];
    const char *word = is_new ? "NEW" : "CANCELED";
    snprintf(text, sizeof text,
             "{\"subscriptionId\":0,\"event\":{\"e\":\"executionReport\",\"E\":%lld,"
             "\"s\":\"BTCUSDT\",\"c\":\"%s\",\"S\":\"%s\",\"o\":\"LIMIT_MAKER\",\"f\":\"GTC\","
             "\"q\":\"%s\",\"p\":\"%s\",\"P\":\"0.00000000\",\"F\":\"0.00000000\",\"g\":-1,"
             "\"C\":\"%s\",\"x\":\"%s\",\"X\":\"%s\",\"r\":\"NONE\",\"i\":%u,"
             "\"l\":\"0.00000000\",\"z\":\"0.00000000\",\"L\":\"0.00000000\",\"n\":\"0\","
             "\"N\":null,\"T\":%lld,\"t\":-1,\"I\":%lld,\"w\":true,\"m\":false,\"M\":false}}",
             (long long)wall_ms(), is_new ? id : "x",
             *field(json, "side", side) ? side : "BUY",
             *field(json, "quantity", qty) ? qty : "0.00000000",
             *field(json, "price", price) ? price : "0.00000000", is_new ? "" : id, word, word,
             order_id(id), (long long)wall_ms(), (long long)++report_id);
    say(link, text);
}

/* Answer a request of the WS API. */
static void answer(struct wire *link, const char *json)
{
    static char result[4096], text[5120];
    char id[128], method[128], target[128], fresh[128];
    field(json, "id", id);
    field(json, "method", method);
    int replaces = strcmp(method, "order.cancelReplace") == 0;
    field(json, replaces ? "cancelOrigClientOrderId" : "origClientOrderId", target);
    field(json, "newClientOrderId", fresh);
    if (replaces) {
        char old[1024], new[1024];
        canceled(old, sizeof old, target);
        placed(new, sizeof new, json);
        snprintf(result, sizeof result,
                 "{\"cancelResult\":\"SUCCESS\",\"newOrderResult\":\"SUCCESS\","
                 "\"cancelResponse\":%s,\"newOrderResponse\":%s}",
                 old, new);
    } else if (strcmp(method, "order.place") == 0) {
        placed(result, sizeof result, json);
    } else if (strcmp(method, "order.cancel") == 0) {
        canceled(result, sizeof result, target);
    } else if (strcmp(method, "time") == 0) {
        snprintf(result, sizeof result, "{\"serverTime\":%lld}", (long long)wall_ms());
    } else if (strcmp(method, "account.status") == 0) {
        snprintf(result, sizeof result,
                 "{\"balances\":[{\"asset\":\"BTC\",\"free\":\"1.00000000\",\"locked\":"
                 "\"0.00000000\"},{\"asset\":\"USDT\",\"free\":\"100000.00000000\","
                 "\"locked\":\"0.00000000\"}]}");
    } else if (strcmp(method, "openOrders.status") == 0 || strcmp(method, "myTrades") == 0) {
        snprintf(result, sizeof result, "[]");
    } else {
        snprintf(result, sizeof result, "{}");
    }
    snprintf(text, sizeof text, "{\"id\":\"%s\",\"status\":200,\"result\":%s}", id, result);
    say(link, text);
    if (replaces || strcmp(method, "order.cancel") == 0)
        report(link, json, target, 0);
    if (replaces || strcmp(method, "order.place") == 0)
        report(link, json, fresh, 1);
}

/* Write one side's levels from the touch outward. */
static int side_levels(char *out, size_t room, int best, int step, int count, int salt)
{
    int at = 0;
    for (int level = 0; level < count; level++)
        at += snprintf(out + at, room - (size_t)at, "%s[\"%d.00000000\",\"%d.%03d00000\"]",
                       level ? "," : "", best + step * level, 5 + level % 7,
                       (level * 37 + salt) % 1000);
    return at;
}

/* Write the next depth update: where the book moves, one level leaves on one side and one comes
 * on the other, among as many as a busy second brings. */
static void depth_frame(char *out, size_t room, struct book *book)
{
    char bids[4096], asks[4096];
    int bid = BASE - SPREAD / 2 + book->shifted, ask = bid + SPREAD;
    int b = 0, a = 0, salt = (int)(book->update_id % 997);
    if (book->shifted)
        a = snprintf(asks, sizeof asks, "[\"%d.00000000\",\"0.00000000\"],", ask - 1);
    else
        b = snprintf(bids, sizeof bids, "[\"%d.00000000\",\"0.00000000\"],", bid + 1);
    side_levels(bids + b, sizeof bids - (size_t)b, bid, -1, SIDE_LEVELS, salt);
    side_levels(asks + a, sizeof asks - (size_t)a, ask, 1, SIDE_LEVELS, salt);
    int64_t begin = book->depth_id + 1;
    book->update_id += 3;
    book->depth_id = book->update_id;
    snprintf(out, room,
             "{\"stream\":\"btcusdt@depth@100ms\",\"data\":{\"e\":\"depthUpdate\",\"E\":%lld,"
             "\"s\":\"BTCUSDT\",\"U\":%lld,\"u\":%lld,\"b\":[%s],\"a\":[%s]}}",
             (long long)wall_ms(), (long long)begin, (long long)book->depth_id, bids, asks);
}

static void touch_frame(char *out, size_t room, struct book *book)
{
    int bid = BASE - SPREAD / 2 + book->shifted;
    snprintf(out, room,
             "{\"stream\":\"btcusdt@bookTicker\",\"data\":{\"u\":%lld,\"s\":\"BTCUSDT\","
             "\"b\":\"%d.00000000\",\"B\":\"5.10000000\",\"a\":\"%d.00000000\","
             "\"A\":\"5.20000000\"}}",
             (long long)++book->update_id, bid, bid + SPREAD);
}

static void rest(struct wire *link, const char *request)
{
    static char body[65536], head[512];
    if (strstr(request, "/exchangeInfo") != NULL) {
        snprintf(body, sizeof body,
                 "{\"timezone\":\"UTC\",\"serverTime\":%lld,\"symbols\":[{\"symbol\":\"BTCUSDT\","
                 "\"status\":\"TRADING\",\"baseAsset\":\"BTC\",\"quoteAsset\":\"USDT\","
                 "\"filters\":[{\"filterType\":\"PRICE_FILTER\",\"minPrice\":\"0.01\","
                 "\"maxPrice\":\"1000000.00\",\"tickSize\":\"0.01\"},{\"filterType\":"
                 "\"LOT_SIZE\",\"minQty\":\"0.00001\",\"maxQty\":\"9000.0\",\"stepSize\":"
                 "\"0.00001\"},{\"filterType\":\"NOTIONAL\",\"minNotional\":\"5.0\","
                 "\"maxNotional\":\"9000000.0\"}]}]}",
                 (long long)wall_ms());
    } else if (strstr(request, "/depth") != NULL) {
        char bids[16384], asks[16384];
        const struct book *book = &books[0]; /* Only the daemon asks. */
        int bid = BASE - SPREAD / 2 + book->shifted;
        side_levels(bids, sizeof bids, bid, -1, 200, 0);
        side_levels(asks, sizeof asks, bid + SPREAD, 1, 200, 0);
        snprintf(body, sizeof body, "{\"lastUpdateId\":%lld,\"bids\":[%s],\"asks\":[%s]}",
                 (long long)book->depth_id, bids, asks);
    } else {
        snprintf(body, sizeof body, "{\"serverTime\":%lld}", (long long)wall_ms());
    }
    int count = snprintf(head, sizeof head,
                         "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                         "Content-Length: %zu\r\n\r\n",
                         strlen(body));
    put(link->fd, head, (size_t)count);
    put(link->fd, body, strlen(body));
}

static void take_request(int at)
{
    struct wire *link = &links[at];
    link->bytes[link->have] = 0;
    char *text = (char *)link->bytes, *end = strstr(text, "\r\n\r\n");
    if (end == NULL)
        return;
    char *key = strcasestr(text, "sec-websocket-key: ");
    if (key == NULL) {
        rest(link, text);
    } else {
        char accept[29], head[256];
        key += 19;
        accept_key(key, strcspn(key, "\r"), accept);
        int count = snprintf(head, sizeof head,
                             "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                             "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
                             accept);
        put(link->fd, head, (size_t)count);
        kinds[at] = strncmp(text, "GET /ws-api", 11) == 0 ? ORDER : MARKET;
        char *named = strstr(text, "peer=");
        peers[at] = named == NULL ? 0 : named[5] == 'c' ? 1 : 2;
    }
    done(link, (size_t)(end + 4 - text));
}

/* Take what one link has; keep order frames in ``asked`` where a round waits for them. */
static void take(int at, int timed)
{
    struct wire *link = &links[at];
    int got = fill(link, MSG_DONTWAIT);
    if (got < 0) {
        close(link->fd);
        kinds[at] = 0;
        return;
    }
    if (got == 0)
        return;
    if (kinds[at] == HTTP) {
        take_request(at);
        return;
    }
    char *text;
    size_t count, whole;
    int opcode;
    while ((opcode = first(link, &text, &count, &whole)) != 0) {
        static unsigned char out[ROOM];
        if (opcode == PING) {
            put(link->fd, out, frame(out, PONG, text, count, 0));
        } else if (opcode == TEXT && kinds[at] == ORDER) {
            char after = text[count];
            text[count] = 0;
            int order = strstr(text, "\"method\":\"order.") != NULL;
            if (order && timed && asked_count < 16 && count < sizeof asked[0])
                memcpy(asked[asked_count++], text, count + 1);
            else if (peers[at] == 0)
                answer(link, text);
            text[count] = after;
        }
        done(link, whole);
    }
}

static int find(int kind, int peer)
{
    for (int at = 0; at < LINKS; at++)
        if (kinds[at] == kind && peers[at] == peer)
            return at;
    return -1;
}

/* Depth that is in step with the touch, so that the touch stays believed; never timed. */
static void refresh_depth(int peer)
{
    static char text[16384];
    int market = find(MARKET, peer);
    if (market < 0)
        return;
    refreshed_ns = now_ns();
    depth_frame(text, sizeof text, &books[peer]);
    say(&links[market], text);
}

/* Serve everybody for a while; standard input wakes it if ``wakes``. */
static void serve(int listener, int64_t until_ns, int wakes)
{
    for (;;) {
        struct pollfd fds[LINKS + 2];
        int ats[LINKS + 2], count = 0;
        fds[count++] = (struct pollfd){listener, POLLIN, 0};
        if (wakes)
            fds[count++] = (struct pollfd){0, POLLIN, 0};
        int base = count;
        for (int at = 0; at < LINKS; at++)
            if (kinds[at]) {
                ats[count] = at;
                fds[count++] = (struct pollfd){links[at].fd, POLLIN, 0};
            }
        int64_t left_ms = (until_ns - now_ns()) / 1000000;
        poll(fds, (nfds_t)count, wakes ? 200 : left_ms > 1 ? 1 : 0);
        if (wakes && now_ns() - refreshed_ns > REFRESH_MS * 1000000LL)
            refresh_depth(0);
        if (fds[0].revents) {
            int fd = accept(listener, NULL, NULL);
            for (int at = 0; fd >= 0 && at < LINKS; at++)
                if (kinds[at] == 0) {
                    prompt(fd);
                    links[at].fd = fd;
                    links[at].have = 0;
                    kinds[at] = HTTP;
                    break;
                }
        }
        for (int each = base; each < count; each++)
            if (fds[each].revents)
                take(ats[each], 0);
        if (wakes ? fds[1].revents != 0 : now_ns() >= until_ns)
            return;
    }
}

static void one_round(int peer, int is_touch, int64_t beat_ns, int64_t results[4])
{
    static char text[16384];
    static unsigned char out[ROOM];
    int market = find(MARKET, peer), order = find(ORDER, peer);
    for (int each = 0; each < 4; each++)
        results[each] = -1;
    if (market < 0 || order < 0)
        return;
    struct book *book = &books[peer];
    book->shifted = !book->shifted;
    if (is_touch)
        touch_frame(text, sizeof text, book);
    else
        depth_frame(text, sizeof text, book);
    size_t whole = frame(out, TEXT, text, strlen(text), 0);
    asked_count = 0;
    while (now_ns() < beat_ns)
        ;
    int64_t sent = now_ns(), last = sent, seen = 0, now = sent;
    put(links[market].fd, out, whole);
    while (now < (seen ? last + QUIET_US * 1000 : sent + LATE_MS * 1000000LL)) {
        int before = asked_count;
        take(order, 1);
        now = now_ns();
        if (asked_count > before) {
            last = now;
            if (!seen) {
                seen = now;
                results[0] = now - sent;
                results[1] = now - beat_ns;
                results[3] = (int64_t)strlen(asked[0]);
            }
            results[2] = last - sent;
            if (peer != 0)
                break;
        }
    }
    for (int each = 0; peer == 0 && each < asked_count; each++)
        answer(&links[order], asked[each]);
}

static void block(int listener, int peer, int is_touch, int rounds, int64_t beat_us)
{
    for (int other = 0; other < PEERS; other++)
        if (pids[other])
            kill(pids[other], other == peer ? SIGCONT : SIGSTOP);
    refresh_depth(0);
    serve(listener, now_ns() + SETTLE_US * 1000, 0);
    int64_t begun = now_ns() + 1000000;
    for (int round = -WARM_ROUNDS; round < rounds; round++) {
        int64_t results[4], beat = begun + (round + WARM_ROUNDS) * beat_us * 1000;
        if (beat - now_ns() > 300000)
            serve(listener, beat - 200000, 0);
        one_round(peer, is_touch, beat, results);
        if (is_touch && peer == 0 && round % 20 == 0)
            refresh_depth(peer);
        if (round >= 0)
            printf("%lld %lld %lld %lld\n", (long long)results[0], (long long)results[1],
                   (long long)results[2], (long long)results[3]);
    }
    serve(listener, now_ns() + SETTLE_US * 1000, 0);
    for (int other = 0; other < PEERS; other++)
        if (pids[other])
            kill(pids[other], SIGCONT);
    printf("end\n");
    fflush(stdout);
}

/* Send depth without a pause and wait for the order that only the last frame is a reason for. */
static void flood(int listener, int count)
{
    static char text[16384];
    static unsigned char out[ROOM];
    int market = find(MARKET, 0), order = find(ORDER, 0);
    int64_t took = -1;
    serve(listener, now_ns() + SETTLE_US * 1000, 0);
    asked_count = 0;
    if (market >= 0 && order >= 0) {
        int64_t begun = now_ns(), deadline = begun + FLOOD_S * 1000000000LL;
        for (int each = 0; each < count; each++) {
            if (each == count - 1)
                books[0].shifted = !books[0].shifted;
            depth_frame(text, sizeof text, &books[0]);
            put(links[market].fd, out, frame(out, TEXT, text, strlen(text), 0));
        }
        while (asked_count == 0 && now_ns() < deadline)
            take(order, 1);
        if (asked_count)
            took = now_ns() - begun;
        for (int each = 0; each < asked_count; each++)
            answer(&links[order], asked[each]);
    }
    serve(listener, now_ns() + SETTLE_US * 1000, 0);
    printf("%lld\n", (long long)took);
    fflush(stdout);
}

static int peer_of(const char *name)
{
    for (int peer = 0; peer < PEERS; peer++)
        if (strcmp(NAMES[peer], name) == 0)
            return peer;
    return 0;
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    struct sockaddr_in here = {.sin_family = AF_INET};
    socklen_t size = sizeof here;
    here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listener, (struct sockaddr *)&here, size) < 0 || listen(listener, 16) < 0)
        fail("listen");
    getsockname(listener, (struct sockaddr *)&here, &size);
    printf("%d\n", ntohs(here.sin_port));
    fflush(stdout);
    setvbuf(stdin, NULL, _IONBF, 0); /* poll must see what is left unread. */
    char line[256], name[32], stream[32];
    int rounds, beat_us, pid;
    for (;;) {
        serve(listener, 0, 1);
        if (fgets(line, sizeof line, stdin) == NULL || strncmp(line, "quit", 4) == 0)
            return 0;
        if (sscanf(line, "pid %31s %d", name, &pid) == 2)
            pids[peer_of(name)] = pid;
        else if (sscanf(line, "flood %d", &rounds) == 1)
            flood(listener, rounds);
        else if (sscanf(line, "block %31s %31s %d %d", name, stream, &rounds, &beat_us) == 4)
            block(listener, peer_of(name), strcmp(stream, "touch") == 0, rounds, beat_us);
    }
}
