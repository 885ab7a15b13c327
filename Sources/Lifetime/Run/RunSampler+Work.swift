/// Training between events.
extension RunSampler {
    /// Trains until `end`, which may lie in a stall.
    /// - Returns: true when the run is done; the clock then stands at its end.
    mutating func advance(until end: Double) -> Bool {
        while true {
            if stallLeft >= 0 {
                let room = end - t
                guard stallLeft <= room else {
                    spend(.checkpoints, room)
                    stallLeft -= room
                    t = end
                    return false
                }
                spend(.checkpoints, stallLeft)
                t += stallLeft
                stallLeft = -1
                checkpointTaken()
                if position >= total { return true }
                continue
            }
            guard t < end else { return false }
            guard drag.isFinite else {
                // Too few nodes to train at all.
                spend(.waiting, end - t)
                t = end
                return false
            }
            jump(until: end)
            if work(until: end) { return true }
        }
    }

    /// What ends a stretch of even pace.
    private enum Stop { case target, warm, write, end }

    /// One stretch of even pace: to the next checkpoint, to the end of the warm-up or of a write, or to `end`.
    private mutating func work(until end: Double) -> Bool {
        let slack = interval.isFinite ? interval * 1e-9 : 0
        let isLast = base + interval >= total - slack
        let target = isLast ? total : base + interval
        var amount = target - position
        var stop = Stop.target
        let isWarming = warmLeft > 0
        let isWriting = writeEnds > t && plan.checkpoint.slowdown > 0
        var wall = drag
        if isWriting { wall *= 1 + plan.checkpoint.slowdown }
        if isWarming {
            wall *= 2
            if warmLeft < amount { (amount, stop) = (warmLeft, .warm) }
        }
        if isWriting, writeEnds - t < amount * wall { (amount, stop) = ((writeEnds - t) / wall, .write) }
        if amount * wall > end - t { (amount, stop) = ((end - t) / wall, .end) }
        switch stop {
        case .target, .warm: t += amount * wall
        case .write: t = writeEnds
        case .end: t = end
        }
        account(work: amount)
        let slowed = amount * drag
        if drag != 1 { spend(drag > 1 ? .degraded : .useful, slowed - amount) }
        let written = isWriting ? slowed * plan.checkpoint.slowdown : 0
        if isWriting { spend(.checkpoints, written) }
        if isWarming {
            spend(.restarts, slowed + written)
            warmLeft = stop == .warm ? 0 : warmLeft - amount
        }
        position = stop == .target ? target : position + amount
        guard stop == .target else { return false }
        if isLast, !(plan.checkpoint.endsWithOne && interval.isFinite) { return true }
        beginCheckpoint()
        return false
    }

    mutating func beginCheckpoint() {
        if let major = plan.checkpoint.major, sinceMajor + 1 >= major.every {
            isMajor = true
            stallLeft = major.stall
        } else {
            isMajor = plan.checkpoint.major == nil
            stallLeft = plan.checkpoint.stall
        }
    }

    /// Splits work into new and repeated.
    @inline(__always)
    private mutating func account(work amount: Double) {
        let end = position + amount
        let new = position >= high ? amount : max(0, end - high)
        spend(.useful, new)
        if position < high { spend(.recomputed, amount - new) }
        if end > high { high = end }
    }

    /// The stall is over: the state is in memory or on its way to storage.
    mutating func checkpointTaken() {
        sample.checkpointsWritten += 1
        sinceMajor = isMajor ? 0 : sinceMajor + 1
        if isMajor { lastMajor = position }
        base = position
        let write = isMajor ? plan.checkpoint.major?.write ?? plan.checkpoint.write : plan.checkpoint.write
        if !isMajor, plan.checkpoint.minorIsInMemory {
            inMemory = position
        } else if write > 0 {
            if writeEnds <= t { durable = max(durable, pending) }
            pending = position
            writeEnds = t + write
        } else {
            durable = position
            inMemory = position
        }
        ledger.add(position)
        note(.checkpoint)
    }

    /// Jumps whole cycles that end before `end`. Only from the start of an interval in which nothing is left of the last restart.
    private mutating func jump(until end: Double) {
        let checkpoint = plan.checkpoint
        guard interval.isFinite, position == base, warmLeft == 0, log == nil else { return }
        let period = checkpoint.major?.every ?? 1
        guard period == 1 || sinceMajor == 0 else { return }
        let write = period == 1 ? checkpoint.major?.write ?? checkpoint.write : max(checkpoint.write, checkpoint.major?.write ?? 0)
        // With writes only where one has just begun, or none is slowed by them.
        let isWriting = write > 0
        if isWriting { guard period == 1, writeEnds == t + write else { return } }
        let stall = checkpoint.major?.stall ?? checkpoint.stall
        let stalls = stall + Double(period - 1) * checkpoint.stall
        let work = Double(period) * interval
        let whole = (total - position) / work
        guard whole > 1 else { return }
        // Work beside the write goes at 1 / (1 + slowdown): the cycle is longer by write * slowdown / (1 + slowdown).
        let slowed = isWriting ? write * checkpoint.slowdown / (1 + checkpoint.slowdown) : 0
        let cycle = work * drag + slowed + stalls
        var count = ((end - t) / cycle).rounded(.down)
        if t + count * cycle > end { count -= 1 }
        // The last interval ends the run and is played out.
        if whole.isFinite { count = min(count, (whole - 1e-9).rounded(.up) - 1) }
        guard count >= 1 else { return }
        let done = count * work
        let start = position
        let target = start + done
        let new = start >= high ? done : max(0, target - high)
        spend(.useful, new)
        if start < high { spend(.recomputed, done - new) }
        if drag != 1 { spend(drag > 1 ? .degraded : .useful, done * (drag - 1)) }
        spend(.checkpoints, count * (slowed + stalls))
        t += count * cycle
        position = target
        base = target
        lastMajor = target
        high = max(high, target)
        sample.checkpointsWritten += Int(count) * period
        ledger.add(Int(count) * period, every: interval, from: start)
        if isWriting {
            durable = target - interval
            pending = target
            writeEnds = t + write
        } else {
            durable = target
            inMemory = target
        }
    }
}
