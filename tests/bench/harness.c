/* The exchange of the benchmark: it answers what the daemon asks, and times what it does.
 *
 * `harness [CANNED [CERT KEY]]` plays Binance Spot on one loopback port: set-up answers (those of
 * the folder CANNED for whoever wants more than hftd), a book that moves when told, orders that
 * are taken and never filled; over TLS with a certificate. `harness_echo` and `harness_peer.py`
 * have the same two links, so that the floor is timed by the same lines.
 *
 * Standard input, a line each; each answer is lines of standard output, the last one `end`:
 *
 *     pid PEER PID                     whom to stop while another is timed; no answer
 *     block PEER STREAM ROUNDS BEAT_US   STREAM: touch | depth | trade. A line of six numbers a
 *                                      round, in ns: sent to first order frame (-1: none came),
 *                                      beat to first, sent to last, bytes of the first, when it was
 *                                      sent (CLOCK_MONOTONIC), what the send itself took
 *     plan PEER FILE spin|calm         see `run_plan`
 *     flood COUNT                      depth to the daemon as fast as it reads, the last one moves
 *                                      the book; ns until the order (-1: none came)
 *     stress ROUNDS                    the book moves again as soon as every order is answered:
 *                                      ns of all, orders
 *     outage ROUNDS                    see `outage`
 *     quit
 *
 * The beat does not wait for a late answer: what came late delays the next, and is counted from
 * the beat (no coordinated omission). From "sent" the exchange's own lateness is left out.
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <signal.h>

#include "harness_venue.h"

enum { SETTLE_US = 20000, WARM_ROUNDS = 5, LATE_MS = 200, QUIET_US = 400, REFRESH_MS = 300 };
enum { FLOOD_S = 60, OUTAGE_MS = 3000, DEPTH_EVERY_MS = 100, HELD_MS = 60, ALERT_US = 150, CALM_PERIODS = 105, FIGURES = 6 };
enum { AWAY_US = 50 };

static pid_t pids[PEERS];
static int64_t refreshed_ns;
static int listener;

/* Depth that is in step with the touch, so that the touch stays believed; never timed. Only hftd
 * compares the two. */
static void refresh_depth(int peer)
{
    static char text[FRAME_ROOM];
    int market = find(MARKET, peer);
    refreshed_ns = now_ns();
    if (market < 0)
        return;
    depth_frame(text, sizeof text, &books[peer], SIDE_LEVELS, 0, wall_ms());
    say_market(market, text);
}

/* Serve everybody for a while; standard input wakes it if ``wakes``. */
static void serve(int64_t until_ns, int wakes)
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
            refresh_depth(HFTD);
        if (fds[0].revents)
            welcome(listener);
        for (int each = base; each < count; each++)
            if (fds[each].revents)
                take(ats[each], 0);
        if (wakes ? fds[1].revents != 0 : now_ns() >= until_ns)
            return;
    }
}

/* Look once at every link of a peer that may bring an order; who orders by REST may also open a
 * new connection for it, which is unnamed until its first request. */
static void look(int peer)
{
    if (peer == NAUTILUS) {
        struct pollfd news = {listener, POLLIN, 0};
        if (poll(&news, 1, 0) > 0)
            welcome(listener);
    }
    for (int at = 0; at < LINKS; at++)
        if ((kinds[at] == ORDER && peers[at] == peer) ||
            (kinds[at] == HTTP && peer == NAUTILUS))
            take(at, 1);
}

/* --- one frame at a time --------------------------------------------------------------------- */

enum { TOUCH, DEPTH, TRADE };

static void stream_frame(int stream, char *text, size_t room, struct book *book)
{
    if (stream != TRADE)
        book->shifted = !book->shifted;
    if (stream == TOUCH)
        touch_frame(text, room, book);
    else if (stream == DEPTH)
        depth_frame(text, room, book, SIDE_LEVELS, 0, wall_ms());
    else
        trade_frame(text, room, book, 1, wall_ms());
}

/* When an order was there. Who stood in line for his core since he looked last does not know it
 * himself, and takes the kernel's word; on another machine nobody would be in line before him. */
static int64_t seen_at(const struct asked *order, int64_t looked_ns, int64_t now)
{
    int away = now - looked_ns > AWAY_US * 1000;
    return away && order->arrived_ns > looked_ns && order->arrived_ns < now ? order->arrived_ns
                                                                            : now;
}

static void one_round(int peer, int stream, int64_t beat_ns, int64_t results[FIGURES])
{
    static char text[FRAME_ROOM];
    static unsigned char out[ROOM];
    int market = find(MARKET, peer);
    for (int each = 0; each < FIGURES; each++)
        results[each] = -1;
    if (market < 0)
        return;
    stream_frame(stream, text, sizeof text, &books[peer]);
    size_t whole = market_frame(market, out, text);
    while (now_ns() < beat_ns)
        ;
    look(peer); /* What came after the last round was over is no answer to this frame. */
    answer_asked();
    int64_t sent = now_ns(), last = sent, seen = 0, now = sent;
    put(&links[market], out, whole);
    results[4] = sent;
    results[5] = now_ns() - sent;
    while (now < (seen ? last + QUIET_US * 1000 : sent + LATE_MS * 1000000LL)) {
        int before = asked_count;
        int64_t looked = now;
        look(peer);
        now = now_ns();
        if (asked_count > before) {
            now = seen_at(&asked[before], looked, now);
            last = now;
            if (!seen) {
                seen = now;
                results[0] = now - sent;
                results[1] = now - beat_ns;
                results[3] = (int64_t)strlen(asked[0].text);
            }
            results[2] = last - sent;
            if (!trades(peer))
                break;
        }
    }
    answer_asked();
}

/* Stop everybody but one; with none all go on. */
static void only(int peer)
{
    for (int other = 0; other < PEERS; other++)
        if (pids[other])
            kill(pids[other], peer < 0 || other == peer ? SIGCONT : SIGSTOP);
}

static void block(int peer, int stream, int rounds, int64_t beat_us)
{
    only(peer);
    refresh_depth(HFTD);
    serve(now_ns() + SETTLE_US * 1000, 0);
    int64_t begun = now_ns() + 1000000;
    for (int round = -WARM_ROUNDS; round < rounds; round++) {
        int64_t results[FIGURES], beat = begun + (round + WARM_ROUNDS) * beat_us * 1000;
        if (beat - now_ns() > 300000)
            serve(beat - 200000, 0);
        one_round(peer, stream, beat, results);
        if (peer == HFTD && stream == TRADE) {
            /* The pulled side comes back with the next update; that is not timed. */
            serve(now_ns() + 1000000, 0);
            refresh_depth(peer);
        } else if (peer == HFTD && stream == TOUCH && round % 20 == 0) {
            refresh_depth(peer);
        }
        for (int each = 0; round >= 0 && each < FIGURES; each++)
            printf("%lld%c", (long long)results[each], each == FIGURES - 1 ? '\n' : ' ');
    }
    serve(now_ns() + SETTLE_US * 1000, 0);
    only(-1);
}

/* --- a plan: background, bursts, and frames that are timed among them ------------------------- */

struct step {
    int64_t due_ns, from_ns, sent_ns, seen_ns;
    char kind;
    int shifted, in_burst;
    size_t at, whole;
};

/* Make every frame of a plan ahead, so that nothing is printed while it runs. */
static size_t prepare(FILE *file, int peer, struct step **steps, unsigned char **bytes)
{
    static char text[FRAME_ROOM];
    size_t count = 0, have = 0, room = 1 << 24, steps_room = 1 << 12;
    int market = find(MARKET, peer), levels, burst;
    int64_t due_us, begun_ms = wall_ms();
    char kind;
    *steps = malloc(steps_room * sizeof **steps);
    *bytes = malloc(room);
    while (fscanf(file, "%" SCNd64 " %c %d %d", &due_us, &kind, &levels, &burst) == 4) {
        if (count == steps_room)
            *steps = realloc(*steps, (steps_room *= 2) * sizeof **steps);
        if (room - have < ROOM)
            *bytes = realloc(*bytes, room *= 2);
        struct book *book = &books[peer];
        int64_t event_ms = begun_ms + due_us / 1000;
        if (kind == 'B' || kind == 'D')
            book->shifted = !book->shifted;
        if (kind == 'b' || kind == 'B')
            touch_frame(text, sizeof text, book);
        else if (kind == 'd' || kind == 'D')
            depth_frame(text, sizeof text, book, levels, 0, event_ms);
        else
            trade_frame(text, sizeof text, book, kind == 'T', event_ms);
        struct step *step = &(*steps)[count++];
        *step = (struct step){due_us * 1000, 0, 0, 0, kind, book->shifted, burst, have, 0};
        step->whole = market_frame(market, *bytes + have, text);
        have += step->whole;
    }
    return count;
}

/* Tell whether an order frame is the answer to a timed frame: it names the price that the book
 * has moved to, or, after a trade through a quote, takes one away. */
static int answers_it(const struct step *step, const char *order)
{
    char bid[32], ask[32];
    if (step->kind == 'T')
        return strstr(order, "order.cancel") != NULL;
    snprintf(bid, sizeof bid, "\"price\":\"%d", BASE - SPREAD / 2 + step->shifted);
    snprintf(ask, sizeof ask, "\"price\":\"%d", BASE - SPREAD / 2 + step->shifted + SPREAD);
    return strstr(order, bid) != NULL || strstr(order, ask) != NULL;
}

/* Sleep until a time, or until somebody sends something. */
static void doze(int64_t until_ns)
{
    struct pollfd fds[LINKS];
    int count = 0;
    for (int at = 0; at < LINKS; at++)
        if (kinds[at])
            fds[count++] = (struct pollfd){links[at].fd, POLLIN, 0};
    int64_t left_ns = until_ns - now_ns();
    struct timespec wait = {0, left_ns > 0 ? left_ns % 1000000000 : 0};
    ppoll(fds, (nfds_t)count, &wait, NULL);
}

/* Send a plan's frames when they are due, whatever has been answered, and tell of each timed one.
 *
 * The file has a line for each frame: due in µs, kind, levels a side, whether it is of a burst.
 * Kinds: b d t are touch, depth and trade that give no reason to act; B D T give one and are
 * timed. Each timed one is a line: kind, in a burst, due to first answer, sent to first answer,
 * due to sent; -1 where no answer came before the next timed frame was due. Of a floor the n-th
 * answer is to the n-th frame.
 *
 * Where the exchange itself was late, since it stood in line for its core or had much to send, a
 * frame is due when it is sent: nobody could have had it before. Where it was late because whoever
 * is timed had not read and a write had to wait for him, it is due when it was. */
static void run_plan(int peer, const char *path, int calm)
{
    struct step *steps;
    unsigned char *bytes;
    FILE *file = fopen(path, "r");
    int market = find(MARKET, peer);
    if (file == NULL || market < 0)
        return;
    only(peer);
    refresh_depth(HFTD);
    serve(now_ns() + SETTLE_US * 1000, 0);
    size_t count = prepare(file, peer, &steps, &bytes), next = 0, echoes = 0, late_orders = 0;
    fclose(file);
    struct step *open = NULL;
    int64_t begun = now_ns() + 5000000, end = begun + steps[count - 1].due_ns + HELD_MS * 1000000LL;
    int64_t looked = now_ns(), held_until = 0;
    asked_count = 0;
    for (int64_t now = now_ns(); now < end; now = now_ns()) {
        if (next < count && now >= begun + steps[next].due_ns) {
            struct step *step = &steps[next++];
            int64_t due = begun + step->due_ns;
            step->sent_ns = now_ns();
            step->from_ns = due < held_until ? due : step->sent_ns;
            if (put(&links[market], bytes + step->at, step->whole) > 0)
                held_until = now_ns();
            if (step->kind < 'a')
                open = step;
        } else {
            int64_t due_ns = next < count ? begun + steps[next].due_ns : end;
            int awaits = trades(peer) ? open != NULL && open->seen_ns == 0 : echoes < next;
            /* Its core is the recorder's as well, and the machine's: it is held only by whoever
             * has something to time. */
            if (calm || (!awaits && due_ns - now > ALERT_US * 1000))
                doze(calm ? due_ns : due_ns - ALERT_US * 1000);
            if (calm)
                serve(now_ns(), 0); /* Nothing is timed: whoever comes, comes back or pings is served. */
        }
        look(peer);
        int64_t before = looked;
        looked = now_ns();
        for (int each = 0; each < asked_count; each++) {
            int64_t seen = seen_at(&asked[each], before, looked);
            if (!trades(peer)) {
                if (echoes < count)
                    steps[echoes++].seen_ns = seen;
            } else if (open != NULL && open->seen_ns == 0 && answers_it(open, asked[each].text)) {
                open->seen_ns = seen;
            } else {
                late_orders++;
            }
        }
        answer_asked();
    }
    for (size_t each = 0; each < count; each++) {
        const struct step *step = &steps[each];
        if (step->kind < 'a')
            printf("%c %d %lld %lld %lld\n", step->kind, step->in_burst,
                   step->seen_ns ? (long long)(step->seen_ns - step->from_ns) : -1LL,
                   step->seen_ns ? (long long)(step->seen_ns - step->sent_ns) : -1LL,
                   (long long)(step->sent_ns - begun - step->due_ns));
    }
    free(steps);
    free(bytes);
    serve(now_ns() + SETTLE_US * 1000, 0);
    only(-1);
}

/* --- as fast as it goes ---------------------------------------------------------------------- */

/* Send depth without a pause and wait for the order that only the last frame is a reason for. */
static void flood(int count)
{
    static char text[FRAME_ROOM];
    int market = find(MARKET, HFTD);
    int64_t took = -1;
    serve(now_ns() + SETTLE_US * 1000, 0);
    asked_count = 0;
    if (market >= 0) {
        int64_t begun = now_ns(), deadline = begun + FLOOD_S * 1000000000LL;
        for (int each = 0; each < count; each++) {
            if (each == count - 1)
                books[HFTD].shifted = !books[HFTD].shifted;
            depth_frame(text, sizeof text, &books[HFTD], SIDE_LEVELS, 0, wall_ms());
            say_market(market, text);
        }
        while (asked_count == 0 && now_ns() < deadline)
            look(HFTD);
        if (asked_count)
            took = now_ns() - begun;
        answer_asked();
    }
    serve(now_ns() + SETTLE_US * 1000, 0);
    printf("%lld\n", (long long)took);
}

/* Move the touch again as soon as both quotes have followed and are acknowledged. */
static void stress(int rounds)
{
    static char text[FRAME_ROOM];
    int market = find(MARKET, HFTD), orders = 0;
    serve(now_ns() + SETTLE_US * 1000, 0);
    asked_count = 0;
    int64_t begun = now_ns();
    for (int round = 0; market >= 0 && round < rounds; round++) {
        stream_frame(round % 50 ? TOUCH : DEPTH, text, sizeof text, &books[HFTD]);
        say_market(market, text);
        int64_t deadline = now_ns() + LATE_MS * 1000000LL;
        for (int answered = 0; answered < 2 && now_ns() < deadline;) {
            look(HFTD);
            answered += asked_count;
            orders += asked_count;
            answer_asked();
        }
    }
    printf("%lld %d\n", (long long)(now_ns() - begun), orders);
    serve(now_ns() + SETTLE_US * 1000, 0);
}

/* Leave update ids out, and see the quotes go and come again; depth follows as an exchange sends
 * it. A line of five numbers a round, ns since the frame after the gap was sent: first cancel,
 * last cancel, the snapshot asked for, first new quote, both sides quoted; -1 for what never
 * came. */
static void outage(int rounds)
{
    static char text[FRAME_ROOM];
    int market = find(MARKET, HFTD);
    for (int round = 0; market >= 0 && round < rounds; round++) {
        int64_t cancel[2] = {-1, -1}, place[2] = {-1, -1}, next_ns;
        asked_count = 0;
        snapshot_ns = 0;
        depth_frame(text, sizeof text, &books[HFTD], SIDE_LEVELS, 5, wall_ms());
        int64_t sent = now_ns();
        say_market(market, text);
        next_ns = sent + DEPTH_EVERY_MS * 1000000LL;
        while (now_ns() < sent + OUTAGE_MS * 1000000LL && place[1] < 0) {
            look(HFTD);
            int64_t now = now_ns();
            for (int each = 0; each < asked_count; each++) {
                int is_place = strstr(asked[each].text, "\"order.place\"") != NULL;
                int64_t *times = is_place ? place : cancel;
                times[times[0] >= 0] = now - sent;
            }
            answer_asked();
            for (int at = 0; at < LINKS; at++)
                if (kinds[at] == HTTP || kinds[at] == MARKET)
                    take(at, 0);
            struct pollfd news = {listener, POLLIN, 0};
            if (poll(&news, 1, 0) > 0)
                welcome(listener);
            if (now >= next_ns) {
                refresh_depth(HFTD);
                next_ns += DEPTH_EVERY_MS * 1000000LL;
            }
        }
        printf("%lld %lld %lld %lld %lld\n", (long long)cancel[0],
               (long long)(cancel[1] < 0 ? cancel[0] : cancel[1]),
               snapshot_ns ? (long long)(snapshot_ns - sent) : -1LL, (long long)place[0],
               (long long)place[1]);
        for (int wait = 0; wait < CALM_PERIODS; wait++) {
            serve(now_ns() + DEPTH_EVERY_MS * 1000000LL, 0);
            refresh_depth(HFTD);
        }
    }
}

/* --- commands -------------------------------------------------------------------------------- */

static int peer_of(const char *name)
{
    for (int peer = 0; peer < PEERS; peer++)
        if (strcmp(NAMES[peer], name) == 0)
            return peer;
    return HFTD;
}

static void obey(const char *line)
{
    char name[32], word[512], how[16];
    int rounds, beat_us, pid;
    if (sscanf(line, "pid %31s %d", name, &pid) == 2) {
        pids[peer_of(name)] = pid;
        return;
    }
    if (sscanf(line, "flood %d", &rounds) == 1)
        flood(rounds);
    else if (sscanf(line, "stress %d", &rounds) == 1)
        stress(rounds);
    else if (sscanf(line, "outage %d", &rounds) == 1)
        outage(rounds);
    else if (sscanf(line, "plan %31s %511s %15s", name, word, how) == 3)
        run_plan(peer_of(name), word, strcmp(how, "calm") == 0);
    else if (sscanf(line, "block %31s %15s %d %d", name, how, &rounds, &beat_us) == 4)
        block(peer_of(name),
              strcmp(how, "touch") == 0   ? TOUCH
              : strcmp(how, "depth") == 0 ? DEPTH
                                          : TRADE,
              rounds, beat_us);
    printf("end\n");
    fflush(stdout);
}

static void speak_tls(const char *certificate, const char *key)
{
#ifdef WITH_TLS
    tls_context = SSL_CTX_new(TLS_server_method());
    if (SSL_CTX_use_certificate_chain_file(tls_context, certificate) != 1 ||
        SSL_CTX_use_PrivateKey_file(tls_context, key, SSL_FILETYPE_PEM) != 1)
        fail("certificate");
    SSL_CTX_set_mode(tls_context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
#else
    (void)certificate;
    (void)key;
    fail("built without TLS");
#endif
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    wake_at_once();
    if (argc > 1)
        canned = argv[1];
    if (argc > 3)
        speak_tls(argv[2], argv[3]);
    struct sockaddr_in here = {.sin_family = AF_INET};
    socklen_t size = sizeof here;
    here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listener = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listener, (struct sockaddr *)&here, size) < 0 || listen(listener, 16) < 0)
        fail("listen");
    getsockname(listener, (struct sockaddr *)&here, &size);
    printf("%d\n", ntohs(here.sin_port));
    fflush(stdout);
    setvbuf(stdin, NULL, _IONBF, 0); /* poll must see what is left unread. */
    char line[1024];
    for (;;) {
        serve(0, 1);
        if (fgets(line, sizeof line, stdin) == NULL || strncmp(line, "quit", 4) == 0)
            return 0;
        obey(line);
    }
}
