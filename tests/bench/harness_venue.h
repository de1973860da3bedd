/* The exchange that the harness plays: links, books, answers, frames of market data.
 *
 * Owns who is connected and what is said to him. Knows no clock of a measurement. Five peers may
 * be connected, each with a book of its own, or one would see the other's updates as a gap:
 * `hftd`, two floors (`c`, `picows`) that answer each frame with one frame, and two programs that
 * trade by other people's code (`ccxt`, `nautilus`). A peer says who it is by its path.
 */
#ifndef HARNESS_VENUE_H
#define HARNESS_VENUE_H

#include <poll.h>
#include <sys/stat.h>

#include "harness_wire.h"

enum { LINKS = 64, HTTP = 1, MARKET = 2, ORDER = 3, USER = 4 };
enum { HFTD, FLOOR_C, FLOOR_PICOWS, CCXT, NAUTILUS, PEERS };
enum { SIDE_LEVELS = 28, BASE = 60000, SPREAD = 40, FRAME_ROOM = 96 * 1024, ASKED = 64 };
enum { REMEMBERED = 256 };

static const char *NAMES[PEERS] = {"hftd", "c", "picows", "ccxt", "nautilus"};
static struct wire links[LINKS];
static int kinds[LINKS], peers[LINKS], bare[LINKS]; /* bare: frames without their stream's name */
static const char *canned = ""; /* A folder of answers to whoever wants more than hftd. */

struct book {
    int64_t update_id, depth_id, trade_id;
    int shifted; /* It stands one up. */
};
static struct book books[PEERS] = {
    {1000, 1000, 1, 0}, {1000, 1000, 1, 0}, {1000, 1000, 1, 0}, {1000, 1000, 1, 0}, {1000, 1000, 1, 0}};
static int64_t report_id, snapshot_ns;

/* What order frames say, kept to be answered when whoever times them lets it. */
struct asked {
    int link;
    int64_t arrived_ns;
    char text[2048];
};
static struct asked asked[ASKED];
static int asked_count;

static int trades(int peer)
{
    return peer != FLOOR_C && peer != FLOOR_PICOWS;
}

/* --- words ----------------------------------------------------------------------------------- */

static void say(struct wire *link, const char *text)
{
    static unsigned char out[ROOM];
    put(link, out, frame(out, TEXT, text, strlen(text), 0));
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

/* A parameter of a query, as `field` finds one of a message. */
static const char *parameter(const char *query, const char *name, char out[128])
{
    char wanted[64];
    out[0] = 0;
    for (int at = 0; at < 2; at++) {
        snprintf(wanted, sizeof wanted, "%c%s=", "?&"[at], name);
        const char *found = strstr(query, wanted);
        if (found != NULL)
            sscanf(found + strlen(wanted), "%127[^& ]", out);
    }
    return out;
}

static uint32_t order_id(const char *client_id)
{
    uint32_t hash = 2166136261u;
    for (; *client_id; client_id++)
        hash = (hash ^ (unsigned char)*client_id) * 16777619u;
    return hash >> 1 | 1;
}

struct order {
    char id[128], price[128], qty[128], side[128];
};

/* The newest orders, so that who had no answer in time is told what became of his order. */
static struct remembered {
    struct order order;
    const char *status;
} memory[REMEMBERED];
static unsigned remembered_count;

static struct remembered *recall(const char *client_id)
{
    for (int at = 0; at < REMEMBERED; at++)
        if (memory[at].status != NULL && strcmp(memory[at].order.id, client_id) == 0)
            return &memory[at];
    return NULL;
}

static void remember(const struct order *order)
{
    memory[remembered_count++ % REMEMBERED] = (struct remembered){*order, "NEW"};
}

static void forget(const char *client_id)
{
    struct remembered *known = recall(client_id);
    if (known != NULL)
        known->status = "CANCELED";
}

static int placed(char *out, size_t room, const struct order *order, const char *status)
{
    return snprintf(out, room,
                    "{\"symbol\":\"BTCUSDT\",\"orderId\":%u,\"orderListId\":-1,"
                    "\"clientOrderId\":\"%s\",\"transactTime\":%lld,\"price\":\"%s\","
                    "\"origQty\":\"%s\",\"executedQty\":\"0.00000000\","
                    "\"cummulativeQuoteQty\":\"0.00000000\",\"status\":\"%s\","
                    "\"timeInForce\":\"GTC\",\"type\":\"LIMIT_MAKER\",\"side\":\"%s\","
                    "\"fills\":[]}",
                    order_id(order->id), order->id, (long long)wall_ms(), order->price, order->qty,
                    status, order->side);
}

static int canceled(char *out, size_t room, const char *target)
{
    return snprintf(out, room,
                    "{\"symbol\":\"BTCUSDT\",\"origClientOrderId\":\"%s\",\"orderId\":%u,"
                    "\"orderListId\":-1,\"clientOrderId\":\"x\",\"transactTime\":%lld,"
                    "\"price\":\"0.00000000\",\"origQty\":\"0.00000000\",\"type\":\"LIMIT_MAKER\","
                    "\"timeInForce\":\"GTC\",\"executedQty\":\"0.00000000\","
                    "\"cummulativeQuoteQty\":\"0.00000000\",\"status\":\"CANCELED\","
                    "\"side\":\"BUY\"}",
                    target, order_id(target), (long long)wall_ms());
}

/* The private stream's word of an order. hftd hears it on its order link, others on their own. */
static void report(struct wire *link, int wrapped, const struct order *order, int is_new)
{
    char text[2048];
    const char *word = is_new ? "NEW" : "CANCELED";
    snprintf(text, sizeof text,
             "%s{\"e\":\"executionReport\",\"E\":%lld,"
             "\"s\":\"BTCUSDT\",\"c\":\"%s\",\"S\":\"%s\",\"o\":\"LIMIT_MAKER\",\"f\":\"GTC\","
             "\"q\":\"%s\",\"p\":\"%s\",\"P\":\"0.00000000\",\"F\":\"0.00000000\",\"g\":-1,"
             "\"C\":\"%s\",\"x\":\"%s\",\"X\":\"%s\",\"r\":\"NONE\",\"i\":%u,"
             "\"l\":\"0.00000000\",\"z\":\"0.00000000\",\"L\":\"0.00000000\",\"n\":\"0\","
             "\"N\":null,\"T\":%lld,\"t\":-1,\"I\":%lld,\"w\":true,\"m\":false,\"M\":false,"
             "\"O\":%lld,\"Z\":\"0.00000000\",\"Y\":\"0.00000000\",\"Q\":\"0.00000000\"}}",
             wrapped ? "{\"stream\":\"harness\",\"data\":" : "{\"subscriptionId\":0,\"event\":",
             (long long)wall_ms(), is_new ? order->id : "x", *order->side ? order->side : "BUY",
             *order->qty ? order->qty : "0.00100000", *order->price ? order->price : "1.00000000",
             is_new ? "" : order->id, word, word, order_id(order->id), (long long)wall_ms(),
             (long long)++report_id, (long long)wall_ms());
    say(link, text);
}

/* --- requests -------------------------------------------------------------------------------- */

/* Answer a request of the WS API. */
static void answer(int at, const char *json)
{
    static char result[16384], text[17408];
    char id[128], method[128], target[128];
    struct wire *link = &links[at];
    struct order fresh, old = {0};
    field(json, "id", id);
    field(json, "method", method);
    int replaces = strcmp(method, "order.cancelReplace") == 0;
    field(json, replaces ? "cancelOrigClientOrderId" : "origClientOrderId", target);
    memcpy(old.id, target, sizeof target);
    field(json, "newClientOrderId", fresh.id);
    field(json, "price", fresh.price);
    field(json, "quantity", fresh.qty);
    field(json, "side", fresh.side);
    if (replaces) {
        char gone[1024], new[1024];
        canceled(gone, sizeof gone, target);
        placed(new, sizeof new, &fresh, "NEW");
        forget(target);
        remember(&fresh);
        snprintf(result, sizeof result,
                 "{\"cancelResult\":\"SUCCESS\",\"newOrderResult\":\"SUCCESS\","
                 "\"cancelResponse\":%s,\"newOrderResponse\":%s}",
                 gone, new);
    } else if (strcmp(method, "order.place") == 0) {
        placed(result, sizeof result, &fresh, "NEW");
        remember(&fresh);
    } else if (strcmp(method, "order.cancel") == 0) {
        canceled(result, sizeof result, target);
        forget(target);
    } else if (strcmp(method, "order.status") == 0) {
        struct remembered *known = recall(target);
        if (known == NULL) {
            snprintf(text, sizeof text,
                     "{\"id\":\"%s\",\"status\":400,\"error\":{\"code\":-2013,"
                     "\"msg\":\"Order does not exist.\"}}",
                     id);
            say(link, text);
            return;
        }
        placed(result, sizeof result, &known->order, known->status);
    } else if (strcmp(method, "openOrders.status") == 0) {
        size_t have = 1;
        strcpy(result, "[");
        for (int each = 0; each < REMEMBERED && have + 1024 < sizeof result; each++) {
            if (memory[each].status == NULL || strcmp(memory[each].status, "NEW") != 0)
                continue;
            have += (size_t)snprintf(result + have, sizeof result - have, have > 1 ? "," : "");
            have += (size_t)placed(result + have, sizeof result - have, &memory[each].order, "NEW");
        }
        strcpy(result + have, "]");
    } else if (strcmp(method, "time") == 0) {
        snprintf(result, sizeof result, "{\"serverTime\":%lld}", (long long)wall_ms());
    } else if (strcmp(method, "account.status") == 0) {
        snprintf(result, sizeof result,
                 "{\"balances\":[{\"asset\":\"BTC\",\"free\":\"1.00000000\",\"locked\":"
                 "\"0.00000000\"},{\"asset\":\"USDT\",\"free\":\"100000.00000000\","
                 "\"locked\":\"0.00000000\"}]}");
    } else if (strcmp(method, "myTrades") == 0) {
        snprintf(result, sizeof result, "[]");
    } else {
        snprintf(result, sizeof result, "{}");
    }
    snprintf(text, sizeof text, "{\"id\":\"%s\",\"status\":200,\"result\":%s}", id, result);
    say(link, text);
    if (peers[at] != HFTD)
        return; /* ccxt hears of orders by their answers. */
    if (replaces || strcmp(method, "order.cancel") == 0)
        report(link, 0, &old, 0);
    if (replaces || strcmp(method, "order.place") == 0)
        report(link, 0, &fresh, 1);
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
 * on the other, among as many a side as asked. ``skipped`` update ids make it a gap. */
static void depth_frame(char *out, size_t room, struct book *book, int levels, int skipped,
                        int64_t event_ms)
{
    static char bids[FRAME_ROOM / 2 - 512], asks[FRAME_ROOM / 2 - 512];
    int bid = BASE - SPREAD / 2 + book->shifted, ask = bid + SPREAD;
    int b = 0, a = 0, salt = (int)(book->update_id % 997);
    if (book->shifted)
        a = snprintf(asks, sizeof asks, "[\"%d.00000000\",\"0.00000000\"],", ask - 1);
    else
        b = snprintf(bids, sizeof bids, "[\"%d.00000000\",\"0.00000000\"],", bid + 1);
    side_levels(bids + b, sizeof bids - (size_t)b, bid, -1, levels, salt);
    side_levels(asks + a, sizeof asks - (size_t)a, ask, 1, levels, salt);
    book->update_id += 3 + skipped;
    int64_t begin = book->depth_id + 1 + skipped;
    book->depth_id = book->update_id;
    snprintf(out, room,
             "{\"stream\":\"btcusdt@depth@100ms\",\"data\":{\"e\":\"depthUpdate\",\"E\":%lld,"
             "\"s\":\"BTCUSDT\",\"U\":%lld,\"u\":%lld,\"b\":[%s],\"a\":[%s]}}",
             (long long)event_ms, (long long)begin, (long long)book->depth_id, bids, asks);
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

/* A public trade: at the best bid, or through it, so that a bid there must go. */
static void trade_frame(char *out, size_t room, struct book *book, int through, int64_t event_ms)
{
    int bid = BASE - SPREAD / 2 + book->shifted;
    snprintf(out, room,
             "{\"stream\":\"btcusdt@trade\",\"data\":{\"e\":\"trade\",\"E\":%lld,"
             "\"s\":\"BTCUSDT\",\"t\":%lld,\"p\":\"%d.00000000\",\"q\":\"0.00100000\","
             "\"T\":%lld,\"m\":true,\"M\":true}}",
             (long long)event_ms, (long long)++book->trade_id, bid - through, (long long)event_ms);
}

/* Make a WebSocket frame of a message for a link; return its length. */
static size_t market_frame(int at, unsigned char *out, const char *text)
{
    size_t count = strlen(text);
    const char *data = bare[at] ? strstr(text, "\"data\":") : NULL;
    if (data != NULL) {
        count -= (size_t)(data + 7 - text) + 1; /* Nor the brace that closes it. */
        text = data + 7;
    }
    return frame(out, TEXT, text, count, 0);
}

static void say_market(int at, const char *text)
{
    static unsigned char out[ROOM];
    put(&links[at], out, market_frame(at, out, text));
}

/* --- HTTP ------------------------------------------------------------------------------------ */

static int is_order_request(const char *request)
{
    return (strncmp(request, "POST", 4) == 0 || strncmp(request, "DELETE", 6) == 0) &&
           strstr(request, "/api/v3/order?") != NULL;
}

static void respond(struct wire *link, const char *body)
{
    static char head[256];
    int count = snprintf(head, sizeof head,
                         "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                         "Content-Length: %zu\r\n\r\n",
                         strlen(body));
    put(link, head, (size_t)count);
    put(link, body, strlen(body));
}

/* Answer an order that came by REST, and tell it on the private stream. */
static void answer_order_request(int at, const char *request)
{
    static char body[2048];
    struct order order = {0};
    int is_new = strncmp(request, "POST", 4) == 0;
    parameter(request, is_new ? "newClientOrderId" : "origClientOrderId", order.id);
    parameter(request, "price", order.price);
    parameter(request, "quantity", order.qty);
    parameter(request, "side", order.side);
    if (is_new)
        placed(body, sizeof body, &order, "NEW");
    else
        canceled(body, sizeof body, order.id);
    respond(&links[at], body);
    for (int other = 0; other < LINKS; other++)
        if (kinds[other] == USER && peers[other] == peers[at])
            report(&links[other], 1, &order, is_new);
}

/* Give the answer that stands in a file named by the last word of a path; 1 if there is one. */
static int give_canned(struct wire *link, const char *request)
{
    static char body[65536];
    char path[512], name[128] = "";
    const char *end = strpbrk(strchr(request, ' ') + 1, "? ");
    const char *begin = end;
    while (begin[-1] != '/')
        begin--;
    snprintf(name, sizeof name, "%.*s", (int)(end - begin), begin);
    snprintf(path, sizeof path, "%s/%s", canned, name);
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return 0;
    body[fread(body, 1, sizeof body - 1, file)] = 0;
    fclose(file);
    respond(link, body);
    return 1;
}

static void rest(int at, const char *request)
{
    static char body[65536];
    struct wire *link = &links[at];
    if (is_order_request(request)) {
        answer_order_request(at, request);
        return;
    }
    if (strstr(request, "/depth") != NULL) {
        char bids[16384], asks[16384];
        const struct book *book = &books[peers[at]];
        int bid = BASE - SPREAD / 2 + book->shifted;
        side_levels(bids, sizeof bids, bid, -1, 200, 0);
        side_levels(asks, sizeof asks, bid + SPREAD, 1, 200, 0);
        snprintf(body, sizeof body, "{\"lastUpdateId\":%lld,\"bids\":[%s],\"asks\":[%s]}",
                 (long long)book->depth_id, bids, asks);
        snapshot_ns = now_ns();
    } else if ((peers[at] != HFTD || strstr(request, "/account") != NULL) &&
               strstr(request, "/time") == NULL && give_canned(link, request)) {
        return;
    } else if (strstr(request, "/exchangeInfo") != NULL) {
        snprintf(body, sizeof body,
                 "{\"timezone\":\"UTC\",\"serverTime\":%lld,\"symbols\":[{\"symbol\":\"BTCUSDT\","
                 "\"status\":\"TRADING\",\"baseAsset\":\"BTC\",\"quoteAsset\":\"USDT\","
                 "\"filters\":[{\"filterType\":\"PRICE_FILTER\",\"minPrice\":\"0.01\","
                 "\"maxPrice\":\"1000000.00\",\"tickSize\":\"0.01\"},{\"filterType\":"
                 "\"LOT_SIZE\",\"minQty\":\"0.00001\",\"maxQty\":\"9000.0\",\"stepSize\":"
                 "\"0.00001\"},{\"filterType\":\"NOTIONAL\",\"minNotional\":\"5.0\","
                 "\"maxNotional\":\"9000000.0\"}]}]}",
                 (long long)wall_ms());
    } else if (strstr(request, "/ticker/") != NULL) {
        int bid = BASE - SPREAD / 2 + books[peers[at]].shifted;
        snprintf(body, sizeof body,
                 "{\"symbol\":\"BTCUSDT\",\"price\":\"%d.00\",\"bidPrice\":\"%d.00\","
                 "\"bidQty\":\"5.1\",\"askPrice\":\"%d.00\",\"askQty\":\"5.2\"}",
                 bid, bid, bid + SPREAD);
    } else if (strstr(request, "/openOrders") != NULL || strstr(request, "/allOrders") != NULL ||
               strstr(request, "/myTrades") != NULL || strstr(request, "/tradeFee") != NULL) {
        snprintf(body, sizeof body, "[]");
    } else {
        snprintf(body, sizeof body, "{\"serverTime\":%lld,\"listenKey\":\"harness\"}",
                 (long long)wall_ms());
    }
    respond(link, body);
}

static int peer_of_path(const char *request)
{
    if (strstr(request, "/ccxt/") != NULL)
        return CCXT;
    if (strstr(request, "/nautilus/") != NULL)
        return NAUTILUS;
    const char *named = strstr(request, "peer=");
    return named == NULL ? HFTD : named[5] == 'c' ? FLOOR_C : FLOOR_PICOWS;
}

static void upgrade(int at, const char *request, const char *key)
{
    char accept[29], head[256];
    accept_key(key, strcspn(key, "\r"), accept);
    int count = snprintf(head, sizeof head,
                         "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                         "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
                         accept);
    put(&links[at], head, (size_t)count);
    bare[at] = strstr(request, "/stream?") == NULL;
    kinds[at] = strstr(request, "/ws-api/") != NULL             ? ORDER
                : strstr(request, "streams=harness") != NULL ? USER
                                                                : MARKET;
}

/* Take a whole HTTP request; an order is kept where it is timed, the rest answered. */
static int take_request(int at, int timed)
{
    struct wire *link = &links[at];
    link->bytes[link->have] = 0;
    char *text = (char *)link->bytes, *end = strstr(text, "\r\n\r\n");
    if (end == NULL)
        return 0;
    char *length = strcasestr(text, "content-length: ");
    size_t body = length != NULL && length < end ? strtoul(length + 16, NULL, 10) : 0;
    size_t whole = (size_t)(end + 4 - text) + body;
    if (link->have < whole)
        return 0;
    *end = 0;
    peers[at] = peer_of_path(text);
    char *key = strcasestr(text, "sec-websocket-key: ");
    if (key != NULL) {
        upgrade(at, text, key + 19);
    } else if (timed && asked_count < ASKED && is_order_request(text)) {
        asked[asked_count].link = at;
        asked[asked_count].arrived_ns = link->arrived_ns;
        snprintf(asked[asked_count++].text, sizeof asked[0].text, "%s", text);
    } else {
        rest(at, text);
    }
    done(link, whole);
    return 1;
}

/* --- links ----------------------------------------------------------------------------------- */

static void drop(int at)
{
    shut(&links[at]);
    kinds[at] = 0;
}

/* A client that subscribes by message must hear that it was heard. */
static void acknowledge(int at, const char *text)
{
    const char *id = strstr(text, "\"id\":");
    char answer_text[128];
    if (id == NULL || strstr(text, "SUBSCRIBE") == NULL)
        return;
    snprintf(answer_text, sizeof answer_text, "{\"result\":null,\"id\":%.*s}",
             (int)strcspn(id + 5, ",}"), id + 5);
    say(&links[at], answer_text);
}

/* Take what one link has; keep order frames in ``asked`` where somebody times them. */
static void take(int at, int timed)
{
    struct wire *link = &links[at];
    int got = fill(link, MSG_DONTWAIT);
    if (got < 0) {
        drop(at);
        return;
    }
    if (got == 0)
        return;
    while (kinds[at] == HTTP)
        if (!take_request(at, timed))
            return;
    char *text;
    size_t count, whole;
    int opcode;
    while ((opcode = first(link, &text, &count, &whole)) != 0) {
        static unsigned char out[ROOM];
        char after = text[count];
        text[count] = 0;
        if (opcode == PING) {
            put(link, out, frame(out, PONG, text, count, 0));
        } else if (opcode == TEXT && kinds[at] == ORDER) {
            int order = strstr(text, "\"method\":\"order.") != NULL;
            if (order && timed && asked_count < ASKED && count < sizeof asked[0].text) {
                asked[asked_count].link = at;
                asked[asked_count].arrived_ns = link->arrived_ns;
                memcpy(asked[asked_count++].text, text, count + 1);
            } else if (trades(peers[at])) {
                answer(at, text);
            }
        } else if (opcode == TEXT) {
            acknowledge(at, text);
        }
        text[count] = after;
        done(link, whole);
    }
}

/* Answer what was kept. */
static void answer_asked(void)
{
    for (int each = 0; each < asked_count; each++) {
        int at = asked[each].link;
        if (!trades(peers[at]))
            continue;
        if (kinds[at] == HTTP)
            answer_order_request(at, asked[each].text);
        else if (kinds[at] == ORDER)
            answer(at, asked[each].text);
    }
    asked_count = 0;
}

static int find(int kind, int peer)
{
    for (int at = 0; at < LINKS; at++)
        if (kinds[at] == kind && peers[at] == peer)
            return at;
    return -1;
}

static void welcome(int listener)
{
    int fd = accept(listener, NULL, NULL);
    for (int at = 0; fd >= 0 && at < LINKS; at++)
        if (kinds[at] == 0) {
            prompt(fd);
            stamp(fd);
            links[at].arrived_ns = 0;
            kinds[at] = greet(&links[at], fd) < 0 ? 0 : HTTP;
            peers[at] = HFTD;
            return;
        }
}

#endif
