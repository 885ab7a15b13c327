import Calibration
import Cluster
import Workload

/// Keys that a scenario gives although nothing of this job depends on them: each is remarked on, so that none is taken for an effect.
struct IdleKeys {
    let job: Job
    let behaviour: StackBehaviour
    let flow: GradientFlow
    let data: CalibrationData

    var remarks: [String] { software + layout }

    private var software: [String] {
        let (software, name) = (job.software, job.software.framework)
        var list: [String] = []
        if let release = software.release, !data.stacks.knowsReleases(of: software) {
            list.append("software.release \(release): the calibration of \(name) tells no releases apart")
        }
        if software.routing != nil, !data.stacks.knowsRouting(of: software) || job.model.moe == nil {
            let why = job.model.moe == nil ? "the model has no experts" : "the calibration of \(name) tells no routing apart"
            list.append("software.routing changes nothing: \(why); model.moe.capacity and imbalance do")
        }
        if let named = software.environment, !data.profiles.knows(environment: named) {
            list.append("software.environment \(named): no profile has a state of that name")
        }
        if software.scaling != nil, !job.precision.compute.isLow || behaviour.scaling != .rowwise {
            list.append("software.scaling changes nothing here: only rowwise scales of 8-bit and 4-bit formats have a cost of their own")
        }
        if let compiled = software.compiled, behaviour.compilation == 0 {
            list.append(
                "software.compiled \(compiled) changes nothing: so are the runs of \(name) that its constants were fitted to"
            )
        }
        if let engine = software.transformerEngine {
            list.append(
                "software.transformer_engine \(engine) changes nothing: the constants of \(name) are those of the runs that they were fitted to; software.tensor_overlap and training.precision say what it does"
            )
        }
        return list
    }

    private var layout: [String] {
        let overlap = job.layout.overlap
        var list: [String] = []
        let states: [(key: String, isWritten: Bool, needs: Bool, why: String)] = [
            (
                "overlap.grad_reduce", overlap.gradReduce != nil, flow.hasReplicas,
                "there is one copy of the parameters, and nothing to reduce"
            ),
            ("overlap.param_gather", overlap.paramGather != nil, flow.hasReplicas && job.layout.zero > 0, "no parameters are gathered"),
            ("overlap.tensor", overlap.tensor != nil, job.layout.tensor > 1, "there is one tensor rank"),
            ("overlap.pipeline", overlap.pipeline != nil, job.layout.pipeline > 1, "there is one pipeline rank"),
        ]
        for state in states where state.isWritten && !state.needs { list.append("layout.\(state.key) changes nothing: \(state.why)") }
        guard flow.gathersByUnit else { return list }
        let unit = "with zero: \(job.layout.zero) parameters and gradients travel layer by layer, always beside the neighbouring layers"
        for (key, value) in [("grad_reduce", overlap.gradReduce), ("param_gather", overlap.paramGather)]
        where value != nil && flow.hasReplicas {
            list.append("layout.overlap.\(key) changes nothing: \(unit)")
        }
        if job.layout.bucket != Layout().bucket || job.layout.bucketing != .fixed {
            list.append("layout.bucket changes nothing: \(unit)")
        }
        return list
    }
}
