/// How keys move down the ladder. Whatever is written here keeps: a key later than `boundary` is in the top; one later than a rung's `consumed`, and not in the
/// range of a rung above, is in that rung; every other is in the bottom or in `late`.
extension Ladder {
    @usableFromInline
    mutating func pushBelow(_ key: UInt128) {
        let ticks = EventKey.ticks(key)
        if ticks > boundary, count > 1 {
            growTop()
            top[topCount] = key
            topCount += 1
            return
        }
        for index in 0..<rungCount where ticks > rungs[index].consumed {
            add(key, ticks, to: rungs + index)
            rungs[index].count &+= 1
            return
        }
        pushNear(key)
    }

    private mutating func growTop() {
        let larger = UnsafeMutablePointer<UInt128>.allocate(capacity: topCapacity * 2)
        larger.moveInitialize(from: top, count: topCount)
        top.deallocate()
        top = larger
        topCapacity *= 2
    }

    @inline(__always)
    private mutating func add(_ key: UInt128, _ ticks: UInt64, to rung: UnsafeMutablePointer<Rung>) {
        let bucket = Int(truncatingIfNeeded: (ticks &- rung.pointee.start) &>> rung.pointee.shift)
        chunks.add(key, to: rung.pointee.bags + bucket)
    }

    // MARK: The bottom

    /// A key of the bottom's range.
    private mutating func pushNear(_ key: UInt128) {
        if head == tail, late.isEmpty {
            // The only key: all that is later may go to the top.
            boundary = EventKey.ticks(key)
            head = Self.slack
            tail = Self.slack
        }
        if head == tail || key > bottom[tail - 1] { return append(key) }
        let reach = min(tail - head, 32)
        guard head > 0, key < bottom[head + reach - 1] else { return pushLate(key) }
        var place = head
        while bottom[place] < key {
            bottom[place - 1] = bottom[place]
            place += 1
        }
        bottom[place - 1] = key
        head -= 1
    }

    private mutating func append(_ key: UInt128) {
        if tail == bottomCapacity { makeBottomRoom(for: 1) }
        bottom[tail] = key
        tail += 1
    }

    /// Room for `more` keys behind the tail: by moving the run to the front where that frees half of the memory, else by growing.
    private mutating func makeBottomRoom(for more: Int) {
        let keys = tail - head
        if (keys + more + Self.slack) * 2 <= bottomCapacity {
            (bottom + Self.slack).update(from: bottom + head, count: keys)
        } else {
            bottomCapacity = (keys + more + Self.slack) * 2
            let larger = UnsafeMutablePointer<UInt128>.allocate(capacity: bottomCapacity)
            (larger + Self.slack).moveInitialize(from: bottom + head, count: keys)
            bottom.deallocate()
            bottom = larger
        }
        head = Self.slack
        tail = head + keys
    }

    private mutating func pushLate(_ key: UInt128) {
        late.push(key)
        guard late.count > Self.crowd, late.count >= tail - head, rungCount < Self.mostRungs else { return }
        // The bottom and the heap become a rung: O(1) for each of the `late.count` keys that came since the last time.
        guard let least = first.map(EventKey.ticks) else { return }
        let end = rungCount == 0 ? boundary : rungs[rungCount - 1].consumed
        guard end > least else { return }
        let total = tail - head + late.count
        moved += total
        let rung = addRung(from: least, to: end, keys: total)
        for index in head..<tail { add(bottom[index], EventKey.ticks(bottom[index]), to: rung) }
        for index in 0..<late.count { add(late.keys[index], EventKey.ticks(late.keys[index]), to: rung) }
        late.removeAll()
        refill()
    }

    private func sortBottom(from: Int) {
        var keys = UnsafeMutableBufferPointer(start: bottom + from, count: tail - from)
        guard keys.count <= 24 else { return keys.sort() }
        for index in 1..<max(1, keys.count) {
            let key = keys[index]
            var hole = index
            while hole > 0, key < keys[hole - 1] {
                keys[hole] = keys[hole - 1]
                hole -= 1
            }
            keys[hole] = key
        }
    }

    // MARK: Rungs

    /// A rung below the others for the ticks `start` to `end`, whose buckets are empty and which is to get `keys` keys.
    private mutating func addRung(from start: UInt64, to end: UInt64, keys: Int) -> UnsafeMutablePointer<Rung> {
        let span = end - start
        let width = span / UInt64(min(max(keys / Self.load, 1), Self.mostBuckets))
        let rung = rungs + rungCount
        rung.pointee.shift = UInt64(64 - width.leadingZeroBitCount)
        rung.pointee.buckets = Int(span >> rung.pointee.shift) + 1
        rung.pointee.bags.initialize(repeating: KeyChunks.Bag(), count: rung.pointee.buckets)
        rung.pointee.start = start
        rung.pointee.current = 0
        rung.pointee.count = keys
        rungCount += 1
        return rung
    }

    /// Fills the empty bottom with the least keys. `late` is empty.
    @usableFromInline @inline(never)
    mutating func refill() {
        head = Self.slack
        tail = Self.slack
        while head == tail {
            if rungCount > 0 {
                if rungs[rungCount - 1].count == 0 { rungCount -= 1 } else { takeBuckets() }
            } else if topCount > 0 {
                takeTop()
            } else {
                boundary = 0
                return
            }
        }
    }

    /// A small top becomes the bottom. Else the keys up to twice the mean distance from the first become rung 0: they are at least half of all (Markov's
    /// inequality), and a few that are far away do not make its buckets wide.
    private mutating func takeTop() {
        var (least, most) = (UInt64.max, UInt64.zero)
        moved += topCount
        let base = EventKey.ticks(top[0])
        var sum = 0.0
        for index in 0..<topCount {
            let ticks = EventKey.ticks(top[index])
            least = min(least, ticks)
            most = max(most, ticks)
            sum += Double(Int64(bitPattern: ticks &- base))
        }
        guard topCount > Self.batch, least < most else {
            boundary = most
            if tail + topCount > bottomCapacity { makeBottomRoom(for: topCount) }
            (bottom + tail).update(from: top, count: topCount)
            tail += topCount
            topCount = 0
            return sortBottom(from: head)
        }
        let span = most - least
        let twice = max(1, 2 * (sum / Double(topCount) + Double(base - least)))
        boundary = span >> 62 == 0 && twice < Double(span) ? least + UInt64(twice) : most
        let rung = addRung(from: least, to: boundary, keys: topCount)
        var kept = 0
        for index in 0..<topCount {
            let key = top[index]
            let ticks = EventKey.ticks(key)
            if ticks <= boundary {
                add(key, ticks, to: rung)
            } else {
                top[kept] = key
                kept &+= 1
            }
        }
        rung.pointee.count = topCount - kept
        topCount = kept
    }

    /// Moves the first buckets of the lowest rung into the bottom; a crowded one becomes a rung.
    private mutating func takeBuckets() {
        let rung = rungs + (rungCount - 1)
        let canSplit = rung.pointee.shift > 0 && rungCount < Self.mostRungs
        while rung.pointee.count > 0, tail - head < Self.batch {
            var bucket = rung.pointee.current
            while rung.pointee.bags[bucket].isEmpty { bucket &+= 1 }
            let bag = rung.pointee.bags[bucket]
            let keys = chunks.count(bag)
            if canSplit, keys > Self.crowd {
                if head == tail { split(bag, bucket, keys) }
                return
            }
            if tail + keys > bottomCapacity { makeBottomRoom(for: keys) }
            let from = tail
            chunks.forEachChunk(bag) {
                (bottom + tail).update(from: $0.baseAddress ?? UnsafePointer(bottom), count: $0.count)
                tail &+= $0.count
            }
            chunks.release(bag)
            rung.pointee.count &-= keys
            moved &+= keys
            consume(bucket)
            sortBottom(from: from)
        }
    }

    private func consume(_ bucket: Int) {
        let rung = rungs + (rungCount - 1)
        rung.pointee.current = bucket &+ 1
        let (last, isBeyond) = rung.pointee.start.addingReportingOverflow((UInt64(bucket + 1) << rung.pointee.shift) &- 1)
        rung.pointee.consumed = isBeyond ? .max : last
    }

    private mutating func split(_ bag: KeyChunks.Bag, _ bucket: Int, _ keys: Int) {
        let parent = rungs + (rungCount - 1)
        parent.pointee.count -= keys
        moved += keys
        consume(bucket)
        let start = parent.pointee.start + UInt64(bucket) << parent.pointee.shift
        let child = addRung(from: start, to: parent.pointee.consumed, keys: keys)
        var rest = bag
        withUnsafeTemporaryAllocation(of: UInt128.self, capacity: KeyChunks.size) { buffer in
            guard let keys = buffer.baseAddress else { return }
            while let count = chunks.removeChunk(from: &rest, into: keys) {
                for index in 0..<count { add(keys[index], EventKey.ticks(keys[index]), to: child) }
            }
        }
    }

    // MARK: All keys

    /// Every key, in no order.
    func allKeys() -> [UInt128] {
        var keys = Array(UnsafeBufferPointer(start: top, count: topCount))
        for rung in 0..<rungCount {
            for bucket in rungs[rung].current..<rungs[rung].buckets {
                chunks.forEachChunk(rungs[rung].bags[bucket]) { keys.append(contentsOf: $0) }
            }
        }
        keys.append(contentsOf: UnsafeBufferPointer(start: bottom + head, count: tail - head))
        keys.append(contentsOf: UnsafeBufferPointer(start: late.keys, count: late.count))
        return keys
    }

    /// Holds these keys instead of those before.
    /// - Complexity: O(keys).
    mutating func replaceAll(with keys: [UInt128]) {
        rungCount = 0
        topCount = 0
        boundary = 0
        late.removeAll()
        chunks.removeAll()
        head = Self.slack
        tail = Self.slack
        count = 0
        for key in keys { push(key) }
    }
}
