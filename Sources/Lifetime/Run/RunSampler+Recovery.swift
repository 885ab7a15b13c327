import Engine

/// What a failure of a cause does, without its names.
struct StruckCause: Sendable {
    var isSilent: Bool
    var nodes: Int
    var memoryLost: Double
    var detect: DurationLaw
    var diagnose: DurationLaw
    var repair: DurationLaw
    var restart: DurationLaw?

    init(_ cause: FailureCause, in fleet: Fleet) {
        isSilent = cause.isSilent
        nodes = fleet.nodes(struckBy: cause.strikes)
        memoryLost = cause.memoryLost ?? (nodes > 1 ? 1 : 0)
        detect = cause.detect
        diagnose = cause.diagnose
        repair = cause.repair
        restart = cause.restart
    }
}

/// From a stop until training goes on.
extension RunSampler {
    enum Trigger: Equatable { case failure, corruption, maintenance, eviction, capacity(CapacityEffect), horizon }

    /// What a change of the number of nodes means for the run.
    enum CapacityEffect: Equatable { case none, resized, preempted, returned, tooFew }

    /// Everything starts again, with new draws, when something strikes meanwhile.
    mutating func recover(from first: Trigger) {
        var trigger = first
        let before = t
        while let next = attempt(trigger), next != .horizon {
            trigger = next
            if sample.interruptions + sample.maintenances > mostEvents || t > mostTime { return }
        }
        drag = currentDrag
        // What struck before training went on struck nothing.
        while arrivals.time < t || arrivals.time == t && t > before { arrivals.advance() }
        arrivals.restarted(at: t)
        if drag.isFinite { warmLeft = plan.restart.warmUp }
        note(.recovered)
    }

    /// - Returns: what interrupted it; nil when training goes on.
    private mutating func attempt(_ trigger: Trigger) -> Trigger? {
        switch trigger {
        case .failure, .corruption: return replaceAndRestart(trigger)
        case .maintenance:
            note(.maintenance)
            sample.maintenances += 1
            nextMaintenance = t + (plan.maintenance?.every ?? .infinity)
            saveAndStop()
            if let next = pass(.maintenance, plan.maintenance?.lasts ?? 0, isExposed: false) { return next }
            var draws = RandomStream(seed: key, purpose: "maintenance", entity: UInt64(sample.maintenances))
            return pass(.maintenance, restartTime(&draws, fromMemory: false), isExposed: true)
        case .eviction:
            note(.evicted)
            sample.evictions += 1
            saveAndStop()
            var draws = RandomStream(seed: key, purpose: "eviction", entity: UInt64(sample.evictions))
            let repair = spells.evict()
            pool?.take(1, at: t, repair: repair, &draws)
            if let next = waitForNodes() { return next }
            return pass(.restarts, restartTime(&draws, fromMemory: false), isExposed: true)
        case .capacity(let effect): return follow(effect)
        case .horizon: return nil
        }
    }

    private mutating func replaceAndRestart(_ trigger: Trigger) -> Trigger? {
        let isFailure = trigger == .failure
        let (cause, index) = isFailure ? (arrivals.cause, arrivals.index) : (corruption.cause, corruption.index)
        let struck = causes[cause]
        var draws = attributes(index)
        if isFailure {
            count(cause)
            arrivals.advance()
        }
        note(isFailure ? .failure : .detected, cause)
        let chance = struck.memoryLost
        let losesMemory = chance > 0 && (chance >= 1 || draws.uniform() < chance)
        if isFailure { rollBack(losesMemory: losesMemory) } else { rollBackPastCorruption() }
        let detect = isFailure ? struck.detect.draw(&draws) : 0
        let diagnose = struck.diagnose.draw(&draws)
        var interruption = pass(.detection, detect, isExposed: true)
        if interruption == nil { interruption = pass(.diagnosis, diagnose, isExposed: true) }
        // A node leaves when it is known to be broken, or when the next failure makes people look.
        if struck.nodes > 0 { pool?.take(struck.nodes, at: t, repair: struck.repair, &draws) }
        if let interruption { return interruption }
        note(.diagnosed, cause)
        if let next = waitForNodes() { return next }
        let fromMemory = !losesMemory && plan.checkpoint.minorIsInMemory && isFailure
        return pass(.restarts, struck.restart?.draw(&draws) ?? restartTime(&draws, fromMemory: fromMemory), isExposed: true)
    }

    private func restartTime(_ draws: inout RandomStream, fromMemory: Bool) -> Double {
        let load = fromMemory ? plan.restart.loadFromMemory ?? plan.restart.load : plan.restart.load
        return plan.restart.requeue.draw(&draws) + plan.restart.initialise.draw(&draws) + load
    }

    /// A waiting run does not fail.
    private mutating func waitForNodes() -> Trigger? {
        guard pool != nil else { return nil }
        if shrinks {
            pool?.settle(t)
            drag = currentDrag
            if drag.isFinite { return nil }
        }
        while let ready = pool?.readyAt(t), ready > t {
            note(.waiting)
            if let next = pass(.waiting, ready - t, isExposed: false) { return next }
            if shrinks {
                drag = currentDrag
                if drag.isFinite { break }
            }
        }
        skipPast()
        sample.sparesPeak = max(sample.sparesPeak, pool?.inUse(t) ?? 0)
        return nil
    }

    private mutating func skipPast() { while arrivals.time < t { arrivals.advance() } }

    /// Lets time pass in one part of the recovery.
    /// - Returns: what came before its end; the clock then stands there.
    private mutating func pass(_ part: TimePart, _ seconds: Double, isExposed: Bool) -> Trigger? {
        guard seconds > 0 else { return nil }
        let start = t
        while true {
            var end = start + seconds
            var trigger: Trigger?
            if isExposed, plan.failsDuringRecovery {
                while arrivals.time < end {
                    guard arrivals.time >= t, !causes[arrivals.cause].isSilent else {
                        arrivals.advance()
                        continue
                    }
                    end = arrivals.time
                    trigger = .failure
                    break
                }
            }
            if paysByTheNode, let capacity, capacity.time < end {
                end = max(t, capacity.time)
                trigger = .capacity(.none)
            }
            if horizon <= end {
                end = horizon
                trigger = .horizon
            }
            spend(part, end - t)
            t = end
            guard case .capacity = trigger else { return trigger }
            let effect = capacityChanges()
            if effect != .none { return .capacity(effect) }
        }
    }

    // MARK: What is lost

    private mutating func rollBack(losesMemory: Bool) {
        high = max(high, position)
        stallLeft = -1
        guard plan.checkpoint.losesWork else {
            if plan.step > 0 { position = max(base, (position / plan.step + 1e-9).rounded(.down) * plan.step) }
            return
        }
        if writeEnds <= t { durable = max(durable, pending) }
        writeEnds = -.infinity
        if losesMemory { inMemory = durable }
        restore(plan.checkpoint.minorIsInMemory ? max(durable, inMemory) : durable)
        if corruption.position >= 0, position <= corruption.position { corruption = Corruption() }
    }

    private mutating func rollBackPastCorruption() {
        high = max(high, position)
        stallLeft = -1
        if writeEnds <= t { durable = max(durable, pending) }
        writeEnds = -.infinity
        let (clean, newer) = ledger.newest(before: corruption.position)
        var back = min(plan.checkpoint.minorIsInMemory ? max(durable, inMemory) : durable, clean)
        if let keep = plan.checkpoint.keep, newer >= keep {
            back = 0
            sample.startedOver += 1
        }
        corruption = Corruption()
        if plan.checkpoint.losesWork { restore(back) }
    }

    private mutating func restore(_ back: Double) {
        position = back
        base = back
        durable = min(durable, back)
        inMemory = min(inMemory, back)
        pending = min(pending, back)
        ledger.truncate(to: back)
        lastMajor = min(lastMajor, back)
        if interval.isFinite, plan.checkpoint.major != nil { sinceMajor = Int(((back - lastMajor) / interval).rounded()) }
    }

    /// A stop that is planned, or announced in time, saves the state first.
    private mutating func saveAndStop() {
        guard interval.isFinite, plan.checkpoint.losesWork else { return rollBack(losesMemory: false) }
        let stall = plan.checkpoint.major?.stall ?? plan.checkpoint.stall
        spend(.checkpoints, stallLeft >= 0 ? stallLeft : stall)
        t += stallLeft >= 0 ? stallLeft : stall
        stallLeft = -1
        writeEnds = -.infinity
        high = max(high, position)
        (base, durable, inMemory, pending, lastMajor, sinceMajor) = (position, position, position, position, position, 0)
        sample.checkpointsWritten += 1
        ledger.add(position)
    }

    // MARK: Nodes that come and go

    mutating func startOnCapacity() {
        guard let plan = plan.capacity else { return }
        if plan.source != .fleet { capacity = CapacityProcess(plan, key: key) }
        price = PriceProcess(plan.price, key: key)
        if plan.onDemand != nil { substitutes = max(0, plan.most - (capacity?.nodes ?? plan.most)) }
        updateBillRate()
        drag = currentDrag
        if plan.resize != nil, plan.source != .fleet { recover(from: .capacity(.resized)) }
        sample.resizes = 0
    }

    /// Takes the next event of the capacity and says what it means.
    mutating func capacityChanges() -> CapacityEffect {
        guard let plan = plan.capacity, let before = capacity?.nodes else { return .none }
        let ran = plan.pace.pace(with: nodesAtWork) > 0
        capacity?.advance()
        let after = capacity?.nodes ?? 0
        updateBillRate()
        let runs = plan.pace.pace(with: nodesAtWork) > 0
        if plan.resize != nil {
            if after < before, ran { loseNodes() }
            return runs ? .resized : .tooFew
        }
        let needs = plan.most
        if after < before, ran {
            guard after < needs || isHit(taken: before - after, of: before, used: needs - substitutes) else { return .none }
            sample.preemptions += 1
            note(.preemption)
            loseNodes()
            return .preempted
        }
        if !ran, runs { return .returned }
        if substitutes > 0, after >= needs {
            // Spot nodes are back: a planned change over to them.
            saveAndStop()
            return .returned
        }
        return ran && runs ? .none : .tooFew
    }

    /// Whether a loss of `taken` among `all` nodes strikes one of the `used`: 1 - C(all - used, taken) / C(all, taken).
    private mutating func isHit(taken: Int, of all: Int, used: Int) -> Bool {
        guard all - used >= taken else { return true }
        var missed = 1.0
        for index in 0..<taken { missed *= Double(all - used - index) / Double(all - index) }
        var draws = RandomStream(seed: key, purpose: "hit", entity: UInt64(sample.preemptions) &+ UInt64(t.bitPattern))
        return draws.uniform() >= missed
    }

    private mutating func loseNodes() {
        guard let plan = plan.capacity else { return }
        let checkpoint = self.plan.checkpoint
        if checkpoint.losesWork, interval.isFinite, plan.notice > 0, checkpoint.stall + checkpoint.write <= plan.notice {
            saveAndStop()
        } else {
            rollBack(losesMemory: true)
        }
    }

    private mutating func follow(_ effect: CapacityEffect) -> Trigger? {
        guard let plan = plan.capacity else { return nil }
        drag = currentDrag
        var draws = RandomStream(seed: key, purpose: "resize", entity: UInt64(sample.resizes + sample.preemptions))
        switch effect {
        case .none: return nil
        case .tooFew:
            // The run waits until nodes return; the main loop lets the time pass.
            return nil
        case .resized:
            sample.resizes += 1
            note(.resize)
            guard let resize = plan.resize else { return pass(.resizing, restartTime(&draws, fromMemory: false), isExposed: true) }
            return pass(.resizing, resize[nodesAtWork], isExposed: true)
        case .preempted:
            if let onDemand = plan.onDemand {
                substitutes = max(0, plan.most - (capacity?.nodes ?? 0))
                updateBillRate()
                if let next = pass(.preemptions, onDemand.start, isExposed: false) { return next }
            }
            drag = currentDrag
            guard drag.isFinite else { return nil }
            return pass(.preemptions, restartTime(&draws, fromMemory: false), isExposed: true)
        case .returned:
            substitutes = 0
            updateBillRate()
            return pass(.preemptions, restartTime(&draws, fromMemory: false), isExposed: true)
        }
    }
}
