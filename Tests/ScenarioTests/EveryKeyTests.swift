import Foundation
import Report
import Scenario
import Studies
import Testing

/// No key of the schema does nothing in silence: set to a second value in a scenario made for it, each changes the result, is remarked on, or is refused.
@Suite("Every key") struct EveryKeyTests {
    private static let base = """
        name: keys
        model: {layers: 8, hidden: 1024, heads: 8, ffn: 4096, vocab: 32000, activation: swiglu}
        cluster: {gpu: a100-sxm-80gb, gpus: 16, gpus_per_node: 8, inter_node: {link: ib-hdr-200g, nics_per_node: 8}}
        layout: {tensor: 2, pipeline: 2, zero: 1}
        training: {global_batch: 64, micro_batch: 2, sequence: 1024, steps: 100}
        software: {framework: megatron-lm}
        prices: {gpu_hour: 2.00 USD/h, electricity: 0.10 USD/kWh}
        """
    private static let experts = ["model.moe={experts: 16, active: 2, ffn: 1024}", "layout.expert=8"]
    private static let adapters = ["training.adapters={kind: lora, rank: 16, targets: attention}"]
    private static let eightBit = ["cluster.gpu=h100-sxm-80gb", "training.precision=fp8"]
    private static let host = ["layout.offload=optimizer"]
    private static let drives = ["layout.offload={what: optimizer, to: nvme}"]
    private static let context = ["layout.context=2", "training.sequence=16384", "training.micro_batch=1"]
    private static let tree = [
        "simulate.network=flow", "cluster.gpus=64", "cluster.inter_node.topology.radix=8", "cluster.inter_node.topology.rails=1",
    ]
    private static let large = ["model.layers=16", "model.hidden=4096", "model.heads=32", "model.ffn=16384"]
    private static let dragonfly = [
        "simulate.network=flow",
        "cluster.inter_node.topology={kind: dragonfly, groups: 1, routers: 2, hosts_per_router: 1}",
    ]

    /// Settings under which a key matters, and its second value; keys that are not listed take their example on the base.
    private static let cases: [String: (settings: [String], value: String)] = [
        "model.kind": ([], "cnn"), "model.kv_heads": ([], "4"), "model.head_dim": ([], "64"), "model.tied_embeddings": ([], "false"),
        "model.causal": ([], "false"), "model.attention": ([], "{kind: sliding, window: 128}"), "model.attention.kind": ([], "sliding"),
        "model.norm_bias": (["model.norm=layer"], "false"), "model.norms_per_layer": ([], "4"), "model.final_norm": ([], "false"),
        "model.image_size": ([], "128"),
        "cluster.preset": ([], "none-such"), "cluster.gpus_per_node": ([], "4"), "cluster.domain": ([], "4"),
        "cluster.inter_node.nics_per_node": ([], "4"),
        "cluster.inter_node.topology.kind": (["simulate.network=flow"], "rail_optimized"),
        "cluster.inter_node.topology.oversubscription": ([], "4"), "cluster.inter_node.topology.routing": (tree, "ecmp"),
        "cluster.inter_node.topology.seed": (tree + ["cluster.inter_node.topology.routing=ecmp"], "7"),
        "cluster.inter_node.topology.dims": (
            ["simulate.network=flow", "cluster.inter_node.topology={kind: torus, dims: [2]}"], "[3]"
        ),
        "cluster.inter_node.topology.groups": (dragonfly, "2"), "cluster.inter_node.topology.chassis": (dragonfly, "2"),
        "cluster.inter_node.topology.routers": (dragonfly, "1"),
        "cluster.inter_node.topology.hosts_per_router": (dragonfly, "2"),
        "cluster.storage.write": ([], "1 GB/s"), "cluster.storage.read": ([], "1 GB/s"), "cluster.host.memory": (host, "1 GB"),
        "cluster.host.memory_bandwidth": (host, "10 GB/s"), "cluster.host.pcie": (host, "4 GB/s"),
        "cluster.host.gpus_per_link": (host, "8"), "cluster.host.nvme": (drives, "1 GB"), "cluster.host.nvme_read": (drives, "1 GB/s"),
        "cluster.host.nvme_write": (drives, "1 GB/s"), "cluster.placement": ([], "spread"),
        "layout.virtual": ([], "2"), "layout.context": ([], "2"), "layout.expert": ([], "2"), "layout.expert_tensor": (experts, "2"),
        "layout.tensor_algorithm": (["layout.tensor=4"], "2d"), "layout.tensor_depth": ([], "2"),
        "layout.context_exchange": (context, "all-to-all"), "layout.context_order": (context, "contiguous"),
        "layout.expert_dispatch.deduplicate": (
            ["model.moe={experts: 16, active: 2, ffn: 1024}", "layout.expert=16", "layout.tensor=1", "layout.pipeline=1"], "true"
        ),
        "layout.expert_dispatch.precision": (experts, "fp8"), "layout.zero": ([], "0"), "layout.stage_layers": ([], "[5, 3]"),
        "layout.overlap.grad_reduce": ([], "false"), "layout.overlap.param_gather": ([], "false"), "layout.overlap.tensor": ([], "true"),
        "layout.overlap.pipeline": (["layout.virtual=2"], "true"), "layout.offload": ([], "optimizer"),
        "layout.offload.what": ([], "optimizer"), "layout.offload.share": (host, "50%"),
        "layout.offload.layers": (["layout.offload.what=activations"], "1"), "layout.offload.to": (host, "nvme"),
        "layout.shard_group": (["layout.zero=3", "layout.pipeline=1"], "4"), "layout.memory_margin": (large, "90%"),
        "layout.reshard_after_forward": (["layout.zero=3", "layout.pipeline=1"], "false"),
        "training.precision": ([], "fp16"), "training.precision.compute": ([], "fp16"), "training.precision.gradients": ([], "bf16"),
        "training.precision.master": ([], "bf16"), "training.precision.activations": ([], "fp8"),
        "training.precision.moments": ([], "bf16"), "training.recompute": ([], "full"), "training.loss": ([], "fused"),
        "training.frozen": ([], "[mlp]"), "training.adapters.rank": (adapters, "32"), "training.adapters.base": (adapters, "nf4"),
        "training.adapters.targets": (adapters, "all-linear"), "training.adapters.dropout": (adapters, "5%"),
        "training.adapters.alpha": (adapters, "32"), "training.adapters.kind": (adapters, "none"),
        "training.passes.teacher": ([], "1"), "training.passes.reward": ([], "1"), "training.passes.critic": ([], "1"),
        "training.passes.generation": ([], "1"),
        "training.compression": ([], "[topk: 5%]"), "training.data.loading": ([], "1 kB/s"),
        "training.data.prefetch": (["training.data.loading=100 kB/s"], "0"),
        "software.release": ([], "core-0.8"), "software.tensor_overlap": ([], "async"), "software.data_overlap": ([], "false"),
        "software.scaling": (eightBit, "current"), "software.stage_balance": (["model.layers=7"], "last-shorter"),
        "software.gradient_precision": ([], "bf16"), "software.routing": (experts, "drop"), "software.environment": ([], "storm"),
        "software.transformer_engine": ([], "false"), "software.compiled": ([], "false"), "software.flash_attention": ([], "false"),
        "prices.gpu_hour": ([], "3.00 USD/h"), "prices.electricity": ([], "0.20 USD/kWh"),
        "prices.spot_gpu_hour": (["prices.purchase=spot", "prices.spot_gpu_hour=2.00 USD/h"], "1.00 USD/h"),
        "prices.storage": (["prices.stored=5 TB"], "20 USD/TB/month"), "prices.stored": (["prices.storage=20 USD/TB/month"], "5 TB"),
        "prices.purchase": ([], "spot"), "prices.charges_energy": ([], "true"),
        "conditions.failures": ([], "llama3-2024"), "conditions.spot": ([], "{preemption_per_hour: 5%}"),
        "conditions.elastic": ([], "{nodes: [1, 2], resize: 60 s}"),
        "prices.reserved_gpu_hour": (["prices.purchase=reserved", "prices.reserved_gpu_hour=1.00 USD/h"], "2.00 USD/h"),
        "prices.exchange": (["prices.exchange={EUR: 1.1}", "prices.gpu_hour=2.00 EUR/h"], "{EUR: 1.2}"),
        "simulate.steps": (["conditions.slow_gpus=[{gpu: 1, slowdown: 1.5, from: 1 s}]"], "50"),
        "simulate.samples": (["conditions.jitter.kernel=2%"], "20"), "simulate.seed": (["conditions.jitter.kernel=2%"], "7"),
        "simulate.detail": ([], "layer"), "simulate.network": ([], "flow"),
    ]

    /// Keys without a second value of their own, with the reason.
    private static let exempt = [
        "orrery": "the one version of the schema", "name": "the name of the result", "extends": "another file, which tests of loading read",
        "training.synchronization": "what orrery train follows; the step of orrery run is the synchronous one, as the key's own text says",
        "training.synchronization.kind": "likewise",
        "simulate.timeline": "whether a trace is kept, which the result does not hold",
        "model.huggingface": "a file, which tests of loading read", "software.measurements": "a file, which tests of measurements read",
        "software.runs": "a file, which tests of own runs read",
    ]

    /// What `orrery run` answers, without what names the scenario; the errors of one that is refused.
    private static func outcome(_ settings: [String], _ file: String, _ study: Study) -> String {
        do {
            let scenario = try Scenario.load(path: file, overrides: settings)
            var own = scenario
            own.settings.timeline = false
            var answer = try study.run(own)
            (answer.hash, answer.version) = ("", "")
            return answer.json()
        } catch { return "refused: \(error)" }
    }

    @Test func noneIsSilent() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("orrery-keys-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = folder.appendingPathComponent("keys.yaml").path
        try Self.base.write(toFile: file, atomically: true, encoding: .utf8)
        let study = try Study.shipped(jobs: 1)
        let executed = ["execute", "cosim", "serving", "vary", "zip"]
        var known: [[String]: String] = [:]
        for entry in Scenario.schema where entry.available {
            let key = entry.keyPath
            let section = key.split(separator: ".").first.map(String.init) ?? key
            // Lists are set as a whole, sections key by key; those of real runs change no prediction.
            // The monitor under conditions is that of the section monitor.
            guard !key.contains("["), !key.hasPrefix("conditions.monitor."), entry.example != "{}", !executed.contains(section),
                Self.exempt[key] == nil
            else { continue }
            let (settings, value) = Self.cases[key] ?? ([], entry.example)
            let before = known[settings] ?? Self.outcome(settings, file, study)
            known[settings] = before
            #expect(!before.hasPrefix("refused"), "\(key): the scenario made for it is \(before)")
            #expect(Self.outcome(settings + ["\(key)=\(value)"], file, study) != before, "\(key)=\(value) changes nothing, unsaid")
        }
    }
}
