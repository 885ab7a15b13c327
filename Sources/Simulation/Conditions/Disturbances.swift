import CGSL
import Engine
import Glibc
import Plan
import Quantities

/// What conditions do to the durations of a step. Draws are keyed by (seed, purpose, step and place), so that adding a rank or a step changes no
/// other draw.
struct Disturbances {
    let conditions: Conditions
    let seed: UInt64
    /// GPUs of one lane and rank; a lane's pace is that of its slowest GPU.
    let gpusPerPlace: Int
    /// Set where the lanes are a sample of the replicas.
    private let sample: ReplicaSample?
    /// [lane x ranks] list of (compute factor, from) that the place's slow GPUs give.
    private let slowCompute: [[(factor: Double, from: Duration)]]
    private let slowNetwork: [[(factor: Double, from: Duration)]]

    /// `onLinks`: slow links are left to a simulation of the links themselves.
    init(conditions: Conditions, seed: UInt64, plan: Plan, lanes: Int, onLinks: Bool = false) {
        self.conditions = conditions
        self.seed = seed
        let ranks = plan.schedule.ranks.count
        let job = plan.job
        let replicasPerLane = max(1, job.data / lanes)
        let perStage = job.layout.tensor * job.layout.context
        sample = ReplicaSample(lanes: lanes, of: job.data)
        gpusPerPlace = perStage * (sample == nil ? replicasPerLane : 1)
        // A plan was placed when it was made. Ranks count tensor, context, data, pipeline outermost.
        let placement = try? plan.placement()
        let onGPU = job.cluster.placement == .packed ? nil : placement?.ranks(gpus: job.cluster.gpus)
        func place(of gpu: Int) -> Int {
            let own = onGPU.map { $0.indices.contains(gpu) ? $0[gpu] ?? gpu : gpu } ?? gpu
            let replica = own / perStage % max(1, job.data)
            let rank = own / (perStage * max(1, job.data))
            return min(lanes - 1, replica / replicasPerLane) * ranks + min(ranks - 1, rank)
        }
        var compute = [[(factor: Double, from: Duration)]](repeating: [], count: lanes * ranks)
        for (index, slow) in conditions.slowGPUs.enumerated() {
            switch slow.which {
            case .gpu(let gpu): compute[place(of: gpu)].append((slow.slowdown, slow.from))
            case .share(let share):
                for gpu in Self.draw(share: share, of: job.cluster.gpus, seed: seed, purpose: "slow-gpus-\(index)") {
                    compute[place(of: gpu)].append((slow.slowdown, slow.from))
                }
            }
        }
        var network = [[(factor: Double, from: Duration)]](repeating: [], count: lanes * ranks)
        for (index, slow) in conditions.slowLinks.enumerated() where !onLinks {
            var nodes: [Int] = []
            switch slow.which {
            case .link: continue
            case .gpu(let gpu):
                network[place(of: gpu)].append((slow.slowdown, slow.from))
                continue
            case .node(let node): nodes = [node]
            case .share(let share): nodes = Self.draw(share: share, of: job.cluster.nodes, seed: seed, purpose: "slow-links-\(index)")
            }
            for node in nodes {
                let gpus = node * job.cluster.gpusPerNode..<min(job.cluster.gpus, (node + 1) * job.cluster.gpusPerNode)
                for at in Set(gpus.map(place(of:))).sorted() { network[at].append((slow.slowdown, slow.from)) }
            }
        }
        slowCompute = compute
        slowNetwork = network
    }

    /// `round(share x count)` different numbers below `count`, ascending; Floyd's sampling (Bentley & Floyd, CACM 30(9), 1987).
    static func draw(share: Double, of count: Int, seed: UInt64, purpose: String) -> [Int] {
        var stream = RandomStream(seed: seed, purpose: purpose)
        let wanted = min(count, max(0, Int((share * Double(count)).rounded())))
        var chosen: Set<Int> = []
        for upper in (count - wanted)..<count {
            let candidate = Int.random(in: 0...upper, using: &stream)
            if !chosen.insert(candidate).inserted { chosen.insert(upper) }
        }
        return chosen.sorted()
    }

    /// Durations of one step, [tasks] nanoseconds. `start` is when the step begins in the simulated run.
    func durations(step: Int, start: Duration, player: StepPlayer) throws(Fault) -> [Int64] {
        var durations = player.nominal
        let graph = player.graph
        let costs = graph.kinds.map(player.times.cost)
        let compute = slowCompute.map { list in list.reduce(1) { $1.from <= start ? max($0, $1.factor) : $0 } }
        let network = slowNetwork.map { list in list.reduce(1) { $1.from <= start ? max($0, $1.factor) : $0 } }
        // A collective over the replicas of a rank goes at the pace of the slowest link among them.
        var slowestLane = [Double](repeating: 1, count: graph.ranks)
        for (at, factor) in network.enumerated() { slowestLane[at % graph.ranks] = max(slowestLane[at % graph.ranks], factor) }
        let places = graph.lanes * graph.ranks
        var kernelStreams = (0..<places).map {
            RandomStream(seed: seed, purpose: "kernel-jitter-\(step)", entity: UInt64($0))
        }
        var networkStream = RandomStream(seed: seed, purpose: "network-jitter-\(step)")
        var lastCollective: (kind: Int32, factor: Double, remaining: Int) = (-1, 1, 0)
        for task in durations.indices {
            let at = Int(graph.place[task])
            guard at >= 0, durations[task] > 0 else { continue }
            let kind = graph.kinds[Int(graph.kindOf[task])]
            var factor = 1.0
            if kind.row.stream == .data {
                // Lanes take part in one collective: one draw for all of them.
                if lastCollective.remaining == 0 || lastCollective.kind != graph.kindOf[task] {
                    let jitter = conditions.networkJitter > 0 ? networkStream.lognormal(cv: conditions.networkJitter) : 1
                    lastCollective = (graph.kindOf[task], jitter, graph.lanes)
                }
                lastCollective.remaining -= 1
                factor = lastCollective.factor * slowestLane[at % graph.ranks]
            } else if kind.isHop {
                factor = network[at] * (conditions.networkJitter > 0 ? networkStream.lognormal(cv: conditions.networkJitter) : 1)
            } else {
                factor = compute[at]
                let cost = costs[Int(graph.kindOf[task])]
                if conditions.kernelJitter > 0, cost.squares > 0 {
                    // Independent jitter of each kernel: relative deviation cv sqrt(sum t^2) / sum t; the slowest of n GPUs by its quantile U^(1/n).
                    let deviation = conditions.kernelJitter * cost.squares.squareRoot() / cost.total
                    let uniform = max(kernelStreams[at].uniform(), 1e-300)
                    let quantile = gsl_cdf_ugaussian_Pinv(pow(uniform, 1 / Double(gpusPerPlace)))
                    factor *= max(0.1, 1 + deviation * quantile)
                }
            }
            if factor != 1 { durations[task] = try nanoseconds(Double(durations[task]) * 1e-9 * factor) }
        }
        if let sample, conditions.kernelJitter > 0 || conditions.networkJitter > 0 {
            let isNominal = (0..<graph.lanes).map { lane in
                (lane * graph.ranks..<(lane + 1) * graph.ranks).allSatisfy { compute[$0] == 1 && network[$0] == 1 }
            }
            try sample.delayMeetings(of: graph, nominal: isNominal, durations: &durations)
        }
        return durations
    }
}

/// `round(share x count)` different units below `count`, ascending: those that a scenario's conditions mean by a share, for a seed and a purpose.
public func drawnUnits(share: Double, of count: Int, seed: UInt64, purpose: String) -> [Int] {
    Disturbances.draw(share: share, of: count, seed: seed, purpose: purpose)
}
