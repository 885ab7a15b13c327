import Cluster
import Quantities

/// `cluster.gpu`: a name of the catalogue, or a device by its numbers.
enum GPUSection {
    private struct Draft {
        var name: String?
        var like: Accelerator?
        var peaks: [Precision: ComputeRate]?
        var memory: Bytes?
        var bandwidth: Bandwidth?
        var power: Power?
        var units: Int?
    }
    private struct Peaks {
        var fp32: ComputeRate?
        var tf32: ComputeRate?
        var fp16: ComputeRate?
        var bf16: ComputeRate?
        var fp8: ComputeRate?
        var nvfp4: ComputeRate?
        var all: [Precision: ComputeRate] {
            let written: [(Precision, ComputeRate?)] = [
                (.fp32, fp32), (.tf32, tf32), (.fp16, fp16), (.bf16, bf16), (.fp8, fp8), (.mxfp8, fp8), (.nvfp4, nvfp4),
            ]
            return written.reduce(into: [:]) { if let rate = $1.1 { $0[$1.0] = rate } }
        }
    }

    private static var peaks: Kind<[Precision: ComputeRate]> {
        let section = Section<Peaks>([
            Field("fp32", \.fp32, .quantity, default: "none", "dense peak of it"),
            Field("tf32", \.tf32, .quantity, default: "none", "dense peak of it"),
            Field("fp16", \.fp16, .quantity, default: "none", "dense peak of it"),
            Field("bf16", \.bf16, .quantity, default: "none", "dense peak of it"),
            Field("fp8", \.fp8, .quantity, default: "none", "dense peak of it, of mxfp8 too"),
            Field("nvfp4", \.nvfp4, .quantity, default: "none", "dense peak of it"),
        ])
        return section.kind(Peaks(), name: "{bf16: ..., fp8: ...}").map(\.all)
            .requiring("gives no peak", "write peak: 989 TFLOP/s, or {bf16: 989 TFLOP/s}") { !$0.isEmpty }
            .abbreviated(by: Kind<ComputeRate>.quantity.map { [.bf16: $0] })
    }

    private static var section: Section<Draft> {
        Section([
            Field("name", \.name, .text, default: "that of like, with \"by numbers\"", "what reports call the device"),
            Field(
                "like", \.like, .named("a GPU", example: "h100-sxm-80gb") { $0.accelerators }, default: "none",
                "device of the catalogue that gives what is not written, the node and the measured constants"),
            Field("peak", \.peaks, peaks, default: "like's", "dense matrix products; one rate is that of bf16, which scales like's others"),
            Field("memory", \.memory, .quantity, default: "like's", "of one device"),
            Field("bandwidth", \.bandwidth, .quantity, default: "like's", "of the device's memory"),
            Field("power", \.power, .quantity, default: "like's, else 700 W", "of one device at full load"),
            Field(
                "units", \.units, .integer(1...100_000, example: 132), default: "like's, else 132",
                "streaming multiprocessors or compute units"),
        ])
    }

    static var kind: Kind<Accelerator> {
        let named = Kind<Accelerator>.named("a GPU", example: "h100-sxm-80gb") { $0.accelerators }
        return Kind<Accelerator>(
            "{peak:, memory:, bandwidth:, like:}",
            example: "{peak: 989 TFLOP/s, memory: 80 GiB, bandwidth: 3.35 TB/s, like: h100-sxm-80gb}",
            children: section.entries
        ) { item, reader in
            let before = reader.errors.count
            var draft = Draft()
            section.read(item, into: &draft, &reader)
            guard reader.errors.count == before else { return nil }
            return device(draft, item, &reader)
        }.abbreviated(by: named)
    }

    private static func device(_ draft: Draft, _ item: Item, _ reader: inout Reader) -> Accelerator? {
        let like = draft.like
        for (key, isMissing, example) in [
            ("peak", draft.peaks == nil, "989 TFLOP/s"), ("memory", draft.memory == nil, "80 GiB"),
            ("bandwidth", draft.bandwidth == nil, "3.35 TB/s"),
        ] where isMissing && like == nil {
            reader.report(
                item.tree.place, "\(item.path).\(key)", "the key is missing, and no like gives it",
                "write for instance \(key): \(example), or like: h100-sxm-80gb")
        }
        guard let memory = draft.memory ?? like?.memory, let bandwidth = draft.bandwidth ?? like?.memoryBandwidth,
            let power = draft.power ?? like?.boardPower ?? (try? Power(baseValue: 700))
        else { return nil }
        var peaks = like?.peaks ?? [:]
        let written = (draft.peaks ?? [:]).mapValues(\.flopsPerSecond)
        // One rate says how much faster the device is; formats that it does not name keep their distance.
        if written.count == 1, let own = written[.bf16], let base = peaks[.bf16] { peaks = peaks.mapValues { $0 * own / base } }
        peaks.merge(written) { $1 }
        if peaks[.fp16] == nil, let rate = peaks[.bf16] { peaks[.fp16] = rate }
        guard like != nil || !peaks.isEmpty else { return nil }
        var device = Accelerator(
            name: draft.name ?? (like.map { "\($0.name) by numbers" } ?? "device by numbers"), generation: like?.generation ?? .hopper,
            computeUnits: draft.units ?? like?.computeUnits ?? 132, peaks: peaks, memory: memory, memoryBandwidth: bandwidth,
            l2: like?.l2 ?? Bytes(50_000_000), pcieGeneration: like?.pcieGeneration ?? 5, boardPower: power, source: "scenario")
        device.like = like?.name
        if let like, let achievable = like.achievable, let own = peaks[.bf16], let base = like.peaks[.bf16] {
            device.achievable = achievable * own / base
        }
        reader.remark(
            like.map { "\(item.path): constants of \($0.name) stand for those of \(device.name)" }
                ?? "\(item.path): constants of Hopper GPUs stand for those of \(device.name), of which nothing is known; like: names a nearer one"
        )
        return device
    }
}
