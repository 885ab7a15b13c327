import Calibration
import Plan
import Quantities
import Scenario
import Workload

/// Memory settings that a table does not state. A run that was measured did fit, so what is open is what the framework needed to run: first
/// optimizer states sharded over the data-parallel group, which costs no compute; then the outputs of norms and activation functions computed again,
/// which repeats no product; then recomputation of as few layers as suffice: the order in which the authors of published recipes give up speed
/// (Megatron-Core's `recompute_modules` before `recompute_num_layers`). The rule knows neither row nor model, and touches nothing that fits or
/// that is stated.
enum OpenSettings {
    /// A plan that fits where the open settings allow one, and what was taken.
    struct Settled {
        var plan: Plan
        var remark: String
    }

    static func settle(_ plan: Plan, open: Set<String>, data: CalibrationData) throws(Faults) -> Settled? {
        guard !plan.memory.fits else { return nil }
        var job = plan.job
        var taken: [String] = []
        func settled(_ plan: Plan) -> Settled {
            Settled(
                plan: plan, remark: "not stated, and does not fit without: \(taken.joined(separator: ", ")) is taken, the least that fits")
        }
        if let settled = try paged(job, data) { return settled }
        if open.contains("expert"), let experts = job.model.moe?.experts {
            // Experts that every rank holds whole where they need not: the least degree that fits.
            for degree in 2...max(2, experts) where experts % degree == 0 {
                var trial = job
                trial.layout.expert = degree
                guard trial.problems().isEmpty else { continue }
                let next = try trial.plan(data)
                if next.memory.fits {
                    taken.append("expert parallel \(degree)")
                    return settled(next)
                }
            }
        }
        if open.contains("zero"), job.layout.zero == 0, job.data * job.layout.context > 1 {
            job.layout.zero = 1
            taken.append("zero 1")
            let next = try job.plan(data)
            if next.memory.fits { return settled(next) }
        }
        // "Selective" names no modules, and with fused attention the usual one, its core, repeats nothing.
        let isVague = job.training.recompute == .selective && plan.behaviour.flashAttention && plan.behaviour.selective != .half
        guard isVague || open.contains("recompute") && job.training.recompute == .none else { return nil }
        if case .resnet = job.model.kind { return nil }
        if !plan.behaviour.flashAttention {
            var selective = job
            selective.training.recompute = .selective
            let next = try selective.plan(data)
            if next.memory.fits {
                taken.append("recompute selective")
                return settled(next)
            }
        }
        for modules in Self.cheapModules(job.model) {
            var trial = job
            trial.training.recompute = .modules(modules)
            let next = try trial.plan(data)
            if next.memory.fits {
                taken.append("recompute of \(modules.description)")
                return settled(next)
            }
        }
        if isVague { return nil }
        // More recomputed layers never take more memory, so the least number is found by halving.
        let ranks = max(1, job.layout.pipeline)
        var low = 0
        var high = (job.model.layers + ranks - 1) / ranks
        var best: Plan?
        while low < high {
            let middle = (low + high) / 2
            var trial = job
            trial.training.recompute = .layers(middle + 1)
            let next = try trial.plan(data)
            if next.memory.fits {
                best = next
                high = middle
            } else {
                low = middle + 1
            }
        }
        guard let best else { return nil }
        taken.append(low == 0 ? "recompute of one layer a rank" : "recompute of \(low + 1) layers a rank")
        return settled(best)
    }

    /// Parts of all layers that can be computed again without their products, by rising cost; what latents are multiplied up to comes last.
    private static func cheapModules(_ model: Architecture) -> [RecomputedModules] {
        var order: [RecomputedModules] = [.norms, [.norms, .activation]]
        if case .mla = model.attention { order.append([.norms, .activation, .latentUp]) }
        if model.moe != nil { order.append([.norms, .moe]) }
        return order
    }

    /// What recipes for one device do without being asked: states in 8 bits, then states on the host.
    private static func paged(_ job: Job, _ data: CalibrationData) throws(Faults) -> Settled? {
        guard StackTable.memory(of: job.software.framework).pagesStates, job.cluster.gpus == 1, job.training.optimizer == .adamw else {
            return nil
        }
        var trial = job
        trial.training.optimizer = .adam8bit
        let next = try trial.plan(data)
        if next.memory.fits {
            return Settled(plan: next, remark: "does not fit with plain states: 8-bit states are taken, as recipes for one device do")
        }
        trial.layout.offload = .optimizer
        trial.training.loss = .chunks(8)
        let last = try trial.plan(data)
        guard last.memory.fits else { return nil }
        return Settled(
            plan: last,
            remark:
                "does not fit with plain states: 8-bit states on the host and a loss in 8 chunks are taken, as recipes for one device do")
    }
}
