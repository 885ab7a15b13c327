import Plan

/// The earliest end of a step, from what each stage has to do and what waits for what, whatever the order of the micro-batches.
///
/// Stages are numbered by depth, m micro-batches; F, B, W are seconds of a pass (B with W where they are not parted). Parameters that are
/// gathered ahead come in n equal pieces, chunk by chunk, and so does the first forward behind them; gradients leave in n pieces of the last
/// gradient pass G.
///
/// - `finish` of the first forward: arrive + F, or, where the gather ends later, the last piece's: gathered + F / n.
/// - Behind its first forward a stage has (m - 1) F and m B to go, a rank the rest of the passes of all its chunks. The lowest stage's B is the last
///   F or B of a rank, since a micro-batch comes back through the chunks in the other order.
/// - A last B still has to travel up to stage 0, and each stage on the way has to send its gradients (`after`): all of them behind their first piece
///   or the last piece behind all, that is max(G + R / n, G / n + R) from the start of G.
/// - A rank that runs at most k forwards before its first B waits for it: no W is there yet to fill the time. One whose next forward waits for a B,
///   as 1F1B's do with k = p - r in flight, has m micro-batches in flight k at a time, each for the way down and back.
/// - The stream of the collectives is busy for all reductions from the first that can be ready.
///
/// With equal stages and 1F1B that is the schedule's very length, (m + p - 1)(F + B) (Narayanan et al., arXiv:2104.04473 section 2.2.1);
/// interleaving divides the p - 1 by the chunks.
struct PipelineBound {
    private struct Rank {
        /// In order of depth.
        var stages: [Int] = []
        /// Of all passes, and of those that other ranks wait for.
        var work = 0.0
        var chain = 0.0
        var compute = 0.0
        var stream = 0.0
        var moving = 0.0
        var optimizer = 0.0
        var gather = 0.0
        var reduce = 0.0
    }
    private var ranks: [Rank]
    private let flow: GradientFlow
    private let passes: StagePasses
    private let micro: Double
    /// [stages] buckets of the gradients, and seconds of a hop up to the stage before.
    private let pieces: [Double]
    private var hops: [Double] = []
    /// [stages] seconds of gathering and of one reduction.
    private let gathers: [Double]
    private let reduces: [Double]
    /// [stages] first forward: end at the earliest. First backward likewise.
    private var finish: [Double] = []
    private var turned: [Double] = []
    /// [stages] from the end of the last B until what follows it, here or on the way to stage 0, is done; and until stage 0's is.
    private var after: [Double] = []
    private var drain: [Double] = []
    /// [stages] down and back from the start of a forward to the end of its B.
    private var round: [Double] = []
    private let isTwin: Bool
    /// Forwards that a rank may run before its first B; nil: any number. Strict: and whose B each further forward waits for.
    private let inFlight: ((_ rank: Int) -> Double)?
    private let isStrict: Bool
    private(set) var exposedData = 0.0

    var chunks: Int { ranks.map(\.stages.count).max() ?? 1 }
    var leastCompute: Double { ranks.map(\.compute).min() ?? 0 }

    private let countsGathers: Bool

    /// - Parameter countsGathers: whether what is gathered ahead holds the first passes up.
    init(
        job: Job, flow: GradientFlow, passes: StagePasses, costs: StageCosts, extra: LinkExtra, pieces: [Int], countsGathers: Bool
    ) {
        self.countsGathers = countsGathers
        let count = max(1, job.layout.pipeline)
        // Each direction of DualPipe has half of the micro-batches, and every rank a stage of either.
        isTwin = count > 1 && job.layout.schedule == .dualpipe
        micro = Double(max(1, job.microBatches)) / (isTwin ? 2 : 1)
        let folds = count > 1 && !isTwin && job.layout.schedule.fixedChunks == 2
        (self.flow, self.passes) = (flow, passes)
        switch job.layout.schedule {
        case .oneForwardOneBackward where job.layout.virtual <= 1, .zbH1: (inFlight, isStrict) = ({ Double(count - $0) }, true)
        case .zb1p: (inFlight, isStrict) = ({ _ in Double(count) }, false)
        case .zb2p, .zbH2: (inFlight, isStrict) = ({ _ in Double(2 * count) }, false)
        default: (inFlight, isStrict) = (nil, false)
        }
        self.pieces = costs.stages.indices.map { pieces.indices.contains($0) ? Double(max(1, pieces[$0])) : 16 }
        gathers = costs.data.indices.map {
            flow.gathersAhead && countsGathers ? costs.data[$0].gather + extra.gather.extra($0) : 0
        }
        reduces = costs.data.indices.map { costs.data[$0].reduce + extra.reduce.extra($0) }
        ranks = Array(repeating: Rank(), count: count)
        func rank(of stage: Int) -> Int { folds && stage >= count ? 2 * count - 1 - stage : stage % count }
        for stage in costs.stages.indices {
            for at in isTwin ? [stage, count - 1 - stage] : [rank(of: stage)] { add(stage, to: at, costs: costs, extra: extra) }
            hops.append(stage > 0 && rank(of: stage - 1) != rank(of: stage) ? costs.hop + extra.hop : 0)
        }
        for at in ranks.indices { ranks[at].work = max(ranks[at].work, ranks[at].moving) }
        if flow.overlaps {
            // In closed form, however the collectives are played.
            exposedData = ranks.map { rank in rank.stages.reduce(0) { $0 + passes.exposed.extra($1) } }.max() ?? 0
        }
        descend()
        ascend()
    }

    private mutating func add(_ stage: Int, to at: Int, costs: StageCosts, extra: LinkExtra) {
        let traffic = costs.data[stage]
        ranks[at].stages.append(stage)
        ranks[at].chain += micro * (passes.forward[stage] + passes.backward[stage])
        ranks[at].work += micro * (passes.forward[stage] + passes.backward[stage] + passes.weight[stage])
        ranks[at].compute += micro * passes.compute[stage]
        ranks[at].stream += micro * passes.stream[stage]
        ranks[at].moving += micro * passes.moving[stage]
        ranks[at].optimizer += costs.optimizer[stage]
        ranks[at].gather += traffic.gather + extra.gather.extra(stage)
        ranks[at].reduce += traffic.reduce + extra.reduce.extra(stage)
    }

    /// When the first micro-batch has gone down, and come back, at the earliest.
    private mutating func descend() {
        var gathered = [Double](repeating: 0, count: gathers.count)
        // Both directions of DualPipe gather on a rank; which comes first is left open.
        for rank in ranks where !isTwin {
            var sum = 0.0
            for stage in rank.stages {
                sum += gathers[stage]
                gathered[stage] = sum
            }
        }
        var arrival = 0.0
        for stage in passes.forward.indices {
            let (forward, n) = (flow.gathersByUnit ? passes.firstForward[stage] : passes.forward[stage], pieces[stage])
            if stage > 0 { arrival = finish[stage - 1] + hops[stage] }
            let firstPiece = gathered[stage] - (isTwin ? 0 : gathers[stage] * (1 - 1 / n))
            finish.append(max(max(arrival, firstPiece) + forward, max(arrival, gathered[stage]) + forward / n))
        }
        turned = finish
        round = passes.forward
        for stage in passes.backward.indices.reversed() {
            let below = stage + 1 < turned.count ? round[stage + 1] + 2 * hops[stage + 1] : 0
            round[stage] = passes.forward[stage] + below + passes.backward[stage]
            let before = stage + 1 < turned.count ? turned[stage + 1] + hops[stage + 1] : finish[stage]
            turned[stage] = before + passes.backward[stage]
        }
    }

    /// What follows the last B of each stage.
    private mutating func ascend() {
        for stage in passes.backward.indices {
            let up = stage > 0 ? hops[stage] + passes.backward[stage - 1] : 0
            drain.append(stage > 0 ? up + drain[stage - 1] : 0)
            after.append(max(leaving(stage), stage > 0 ? up + after[stage - 1] : 0))
        }
    }

    /// From the end of a stage's last B until its gradients are reduced.
    private func leaving(_ stage: Int) -> Double {
        let weight = passes.weight[stage]
        if flow.gathersByUnit { return passes.lastReduce[stage] }
        if flow.reducesAtEnd { return weight + reduces[stage] }
        guard flow.reducesInPieces else { return weight }
        return weight + reducing(behind: stage)
    }

    /// From the end of a stage's last gradient pass until its gradients are reduced, in pieces.
    private func reducing(behind stage: Int) -> Double {
        let (reduce, n) = (reduces[stage], pieces[stage])
        return max(reduce / n, reduce - gradientPass(stage) * (1 - 1 / n))
    }

    private func gradientPass(_ stage: Int) -> Double { passes.splits ? passes.weight[stage] : passes.backward[stage] }

    /// What follows a rank's last pass, whichever chunk's it is.
    private func tail(_ rank: Rank) -> Double {
        if flow.reducesAtEnd { return rank.reduce }
        guard flow.reducesInPieces else { return 0 }
        return rank.stages.map { isTwin ? reduces[$0] / 16 : reducing(behind: $0) }.min() ?? 0
    }

    /// Seconds, counted from the start of the rank's first pass at `start`, until the stream of its collectives is through with the gradients.
    private func reduced(_ rank: Rank, from start: (_ stage: Int) -> (first: Double, turned: Double)) -> Double {
        guard flow.reducesInPieces else { return 0 }
        let all = rank.reduce * passes.reductions
        guard !isTwin else { return all }
        let first = rank.stages.map { stage in
            let made = gradientPass(stage) * (1 - 1 / pieces[stage])
            let (forward, backward, weight) = (passes.forward[stage], passes.backward[stage], passes.weight[stage])
            // Reduced once a step: behind all other passes of the stage. Else behind its first gradients.
            guard passes.reductions <= 1 else { return start(stage).turned + weight - made }
            return start(stage).first + (micro - 1) * forward + micro * (backward + weight) - made
        }
        return (first.min() ?? 0) + all
    }

    /// Seconds from the start of the step until a rank's optimizer may begin, at the earliest.
    private func ready(_ rank: Rank) -> Double {
        guard let lowest = rank.stages.first, !isTwin else { return twinReady(rank) }
        let rest = finish[lowest] - passes.forward[lowest]
        var end = max(rest + rank.work + tail(rank), rest + rank.chain + after[lowest])
        for stage in rank.stages {
            end = max(end, finish[stage] + (micro - 1) * passes.forward[stage] + micro * passes.backward[stage] + after[stage])
        }
        end = max(end, waiting(lowest, rank), reduced(rank) { (finish[$0], turned[$0]) }, rank.stream)
        guard flow.gathersByUnit else { return end }
        // Reductions follow the first backward of a unit.
        let first = rank.stages.map { finish[$0] + passes.firstBackward[$0] }.min() ?? 0
        return max(end, first + rank.stages.reduce(0) { $0 + micro * passes.streamReduce[$1] })
    }

    /// The same from the forwards that a rank of one chunk has in flight.
    private func waiting(_ stage: Int, _ rank: Rank) -> Double {
        guard rank.stages.count == 1, ranks.count > 1 else { return 0 }
        let (forward, start) = (passes.forward[stage], finish[stage] - passes.forward[stage])
        let room = inFlight.map { $0(stage) } ?? .infinity
        let idle = turned[stage] - passes.backward[stage] - start - min(micro, room) * forward
        var end = start + rank.work + max(0, idle) + tail(rank)
        guard isStrict, room >= 1 else { return end }
        let rounds = ((micro - 1) / room).rounded(.down)
        end = max(end, start + (micro - 1 - rounds * room) * forward + (rounds + 1) * round[stage] + after[stage])
        return end
    }

    /// Either direction may come first, and a rank's stage of the other one is as deep as this one is high.
    private func twinReady(_ rank: Rank) -> Double {
        guard let first = rank.stages.min() else { return 0 }
        let start = finish[first] - passes.forward[first]
        return max(start + rank.work + tail(rank), start + rank.chain + drain[first], reduced(rank) { _ in (0, 0) })
    }

    /// All ranks meet before the optimizer, and the step ends with its last task.
    func synchronised() -> Double {
        var meet = 0.0
        var end = 0.0
        for rank in ranks where !rank.stages.isEmpty {
            meet = max(meet, ready(rank))
            end = max(end, rank.optimizer + (flow.gathersAtEnd ? rank.gather : 0))
        }
        return meet + end
    }

    /// Steps follow each other at the pace of the rank with the longest span between its first and its last pass. Rank 0 has stage 0, where
    /// everything begins, once its first piece is gathered, and ends.
    func unsynchronised() -> Double {
        var longest = 0.0
        guard let top = ranks.first else { return 0 }
        let start = isTwin ? flow.gathersAhead ? ranks.map(\.gather).max() ?? 0 : 0 : (gathers.first ?? 0) / (pieces.first ?? 1)
        for (at, rank) in ranks.enumerated() {
            guard let lowest = rank.stages.min() else { continue }
            longest = max(longest, rank.work + tail(rank) + rank.optimizer, rank.stream - 2 * passes.gather + rank.optimizer)
            let reduced = reduced(rank) { (passes.forward[$0], passes.forward[$0] + passes.backward[$0]) }
            longest = max(longest, reduced + rank.optimizer)
            let rest = finish[lowest] - passes.forward[lowest] + rank.chain
            let behind = isTwin ? drain[lowest] : drain[lowest] + leaving(0)
            longest = max(longest, rest + behind + top.optimizer - start)
            // Where units are gathered, the stream is busy with the first before the first pass.
            if at == 0, !isTwin, countsGathers { longest = max(longest, ready(rank) + rank.optimizer - max(start, passes.gather)) }
        }
        return longest
    }
}
