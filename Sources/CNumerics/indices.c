#include "cnumerics.h"
#include <string.h>

#define BLOCK 128

static inline uint64_t load64(const uint8_t *p) {
    uint64_t v = 0;
    for (int i = 0; i < 8; i++) v |= (uint64_t)p[i] << (8 * i);
    return v;
}

/// Appends `n` values of `width` bits, lowest bit first; returns the bytes used. Writes up to eight bytes at a time, never past the last used one.
static size_t pack_bits(const uint32_t *values, size_t n, int width, uint8_t *out) {
    uint64_t word = 0;
    int filled = 0;
    uint8_t *p = out;
    for (size_t i = 0; i < n; i++) {
        word |= (uint64_t)values[i] << filled;
        filled += width;
        if (filled >= 32) {
            uint32_t low = (uint32_t)word;
            for (int j = 0; j < 4; j++) p[j] = (uint8_t)(low >> (8 * j));
            p += 4;
            word >>= 32;
            filled -= 32;
        }
    }
    for (; filled > 0; filled -= 8, word >>= 8) *p++ = (uint8_t)word;
    return (size_t)(p - out);
}

static size_t packed_size(size_t n, int width) { return (size_t)(((uint64_t)n * (uint64_t)width + 7) / 8); }

static inline uint32_t unpack_one(const uint8_t *bytes, size_t size, size_t i, int width) {
    uint64_t bit = (uint64_t)i * (uint64_t)width;
    size_t at = (size_t)(bit / 8);
    uint64_t word = 0;
    if (at + 8 <= size) word = load64(bytes + at);
    else
        for (size_t j = 0; at + j < size; j++) word |= (uint64_t)bytes[at + j] << (8 * j);
    return (uint32_t)((word >> (bit & 7)) & ((1ull << width) - 1));
}

size_t cn_pack_deltas(const uint32_t *positions, size_t k, uint8_t *out) {
    uint8_t *p = out;
    uint32_t next = 0;  // the smallest position that may follow
    for (size_t start = 0; start < k; start += BLOCK) {
        size_t length = k - start < BLOCK ? k - start : BLOCK;
        uint32_t delta[BLOCK], all = 0;
        delta[0] = positions[start] - next;
        for (size_t i = 1; i < length; i++) delta[i] = positions[start + i] - positions[start + i - 1] - 1;
        for (size_t i = 0; i < length; i++) all |= delta[i];
        next = positions[start + length - 1] + 1;
        int width = all ? 32 - __builtin_clz(all) : 0;
        *p++ = (uint8_t)width;
        if (width > 0) p += pack_bits(delta, length, width, p);
    }
    return (size_t)(p - out);
}

int cn_unpack_deltas(const uint8_t *bytes, size_t size, uint64_t limit, uint32_t *positions, size_t k) {
    size_t at = 0;
    uint64_t next = 0;
    for (size_t start = 0; start < k; start += BLOCK) {
        size_t length = k - start < BLOCK ? k - start : BLOCK;
        if (at >= size) return -1;
        int width = bytes[at++];
        if (width > 32) return -1;
        size_t used = packed_size(length, width);
        if (used > size - at) return -1;
        for (size_t i = 0; i < length; i++) {
            // Reading may look past this block into the next one, but never past `size`; the mask drops what is not ours.
            uint64_t position = next + (width ? unpack_one(bytes + at, size - at, i, width) : 0);
            if (position >= limit) return -1;
            positions[start + i] = (uint32_t)position;
            next = position + 1;
        }
        at += used;
    }
    return at == size ? 0 : -1;
}

size_t cn_varint_deltas(const uint32_t *positions, size_t k, uint8_t *out) {
    uint8_t *p = out;
    uint32_t next = 0;
    for (size_t i = 0; i < k; i++) {
        uint32_t delta = positions[i] - next;
        next = positions[i] + 1;
        for (; delta >= 128; delta >>= 7) *p++ = (uint8_t)(delta | 128);
        *p++ = (uint8_t)delta;
    }
    return (size_t)(p - out);
}

int cn_unvarint_deltas(const uint8_t *bytes, size_t size, uint64_t limit, uint32_t *positions, size_t k) {
    size_t at = 0;
    uint64_t next = 0;
    for (size_t i = 0; i < k; i++) {
        uint64_t delta = 0;
        for (int shift = 0;; shift += 7) {
            if (at >= size || shift > 28) return -1;
            uint8_t byte = bytes[at++];
            delta |= (uint64_t)(byte & 127) << shift;
            if (byte < 128) break;
        }
        uint64_t position = next + delta;
        if (position >= limit) return -1;
        positions[i] = (uint32_t)position;
        next = position + 1;
    }
    return at == size ? 0 : -1;
}

size_t cn_elias_fano(const uint32_t *positions, size_t k, uint64_t limit, int low, uint8_t *out) {
    size_t lower = packed_size(k, low), upper = (size_t)((k + (limit >> low) + 7) / 8);
    memset(out + lower, 0, upper);
    uint64_t word = 0, mask = (1ull << low) - 1;
    int filled = 0;
    uint8_t *p = out;
    for (size_t i = 0; i < k; i++) {
        word |= (positions[i] & mask) << filled;
        filled += low;
        for (; filled >= 8; filled -= 8, word >>= 8) *p++ = (uint8_t)word;
        uint64_t bit = ((uint64_t)positions[i] >> low) + i;
        out[lower + bit / 8] |= (uint8_t)(1u << (bit & 7));
    }
    if (filled > 0) *p = (uint8_t)word;
    return lower + upper;
}

int cn_unelias_fano(const uint8_t *bytes, size_t size, uint64_t limit, int low, uint32_t *positions, size_t k) {
    if (low < 0 || low > 31) return -1;
    size_t lower = packed_size(k, low);
    uint64_t upper = (k + (limit >> low) + 7) / 8;
    if (lower > size || size - lower != upper) return -1;
    const uint8_t *high = bytes + lower;
    size_t found = 0;
    int64_t previous = -1;
    for (size_t at = 0; at < upper; at += 8) {
        uint64_t word = 0;
        if (at + 8 <= upper) word = load64(high + at);
        else
            for (size_t j = 0; at + j < upper; j++) word |= (uint64_t)high[at + j] << (8 * j);
        for (; word; word &= word - 1) {
            if (found == k) return -1;
            uint64_t bit = 8 * (uint64_t)at + (uint64_t)__builtin_ctzll(word);
            if (bit < found) return -1;
            uint64_t position = (bit - found) << low | (low ? unpack_one(bytes, lower, found, low) : 0);
            if (position >= limit || (int64_t)position <= previous) return -1;
            previous = (int64_t)position;
            positions[found++] = (uint32_t)position;
        }
    }
    return found == k ? 0 : -1;
}

void cn_bitmap(const uint32_t *positions, size_t k, uint64_t limit, uint8_t *out) {
    memset(out, 0, (size_t)((limit + 7) / 8));
    for (size_t i = 0; i < k; i++) out[positions[i] / 8] |= (uint8_t)(1u << (positions[i] & 7));
}

int cn_unbitmap(const uint8_t *bytes, uint64_t limit, uint32_t *positions, size_t k) {
    size_t found = 0;
    for (uint64_t at = 0; at < (limit + 7) / 8; at++) {
        for (uint32_t byte = bytes[at]; byte; byte &= byte - 1) {
            uint64_t position = 8 * at + (uint64_t)__builtin_ctz(byte);
            if (position >= limit || found == k) return -1;
            positions[found++] = (uint32_t)position;
        }
    }
    return found == k ? 0 : -1;
}
