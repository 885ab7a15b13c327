import Lifetime
import Plan
import Quantities
import Workload

/// `training.target_loss` and `training.loss_law`: the length of a run by a law of loss.
struct LossTarget {
    var loss: Double?
    var law: LossLaw?

    private enum Name: String, CaseIterable { case chinchilla, hoffmann }
    private struct Own {
        var irreducible: Double?
        var a: Double?
        var b: Double?
        var alpha: Double?
        var beta: Double?
    }

    static var fields: [Field<LossTarget>] {
        [
            Field(
                "target_loss", \.loss, .ratio(0.01...100, example: "2.0"), default: "none",
                "the run trains until a law of loss says that it is there; in place of tokens, steps or duration"),
            Field(
                "loss_law", \.law, law, default: "none", "L = E + A / parameters^alpha + B / tokens^beta: a published one, or its constants"
            ),
        ]
    }

    private static var law: Kind<LossLaw> {
        let section = Section<Own>([
            Field("E", \.irreducible, .ratio(0...100, example: "1.8172"), default: "required", "irreducible loss"),
            Field("A", \.a, .ratio(0...1e12, example: "482"), default: "required", "of the model's size"),
            Field("B", \.b, .ratio(0...1e12, example: "2085"), default: "required", "of the data"),
            Field("alpha", \.alpha, .ratio(0.001...10, example: "0.3478"), default: "required", "exponent of the parameters"),
            Field("beta", \.beta, .ratio(0.001...10, example: "0.3658"), default: "required", "exponent of the tokens"),
        ])
        let short = Kind<Name>.choice.map { $0 == .chinchilla ? LossLaw.chinchilla : .hoffmann }
        return Kind<LossLaw>("{E:, A:, B:, alpha:, beta:}", example: "chinchilla", children: section.entries) { item, reader in
            let before = reader.errors.count
            var own = Own()
            section.read(item, into: &own, &reader)
            guard reader.errors.count == before else { return nil }
            guard let e = own.irreducible, let a = own.a, let b = own.b, let alpha = own.alpha, let beta = own.beta else {
                reader.report(
                    item, "a law of loss needs E, A, B, alpha and beta",
                    "write {E: 1.8172, A: 482.01, B: 2085.43, alpha: 0.3478, beta: 0.3658}")
                return nil
            }
            return LossLaw(name: "scenario", irreducible: e, a: a, b: b, alpha: alpha, beta: beta, source: "scenario")
        }.abbreviated(by: short)
    }

    /// A law beside a length says where the run ends.
    private func remark(_ law: LossLaw, _ training: TrainingSpec, _ model: Architecture, _ reader: inout Reader) {
        let applies = model.kind == .transformer && model.causal && model.moe == nil
        guard applies else { return reader.remark("training.loss_law: laws of loss are for dense decoders, and \(model.name) is none") }
        let perStep = Double(training.globalBatch) * Double(training.sequence)
        let tokens: Double? =
            switch training.length {
            case .tokens(let count): Double(count)
            case .steps(let count): Double(count) * perStep
            default: nil
            }
        guard let tokens, tokens > 0 else {
            return reader.remark(
                "training.loss_law: the run has no length; orrery search --objective loss finds one for a budget or a deadline")
        }
        let loss = law.loss(parameters: Double(model.parameters.total), tokens: tokens)
        let error = law.irreducibleError.map { " (E alone is known to \(significant($0)))" } ?? ""
        reader.remark(
            "training.loss_law: \(significant(tokens / 1e9)) B tokens end at a loss of \(significant(loss))\(error) by \(law.source)")
    }

    /// Sets the length of the run that reaches the loss.
    func apply(to training: inout TrainingSpec, model: Architecture, _ tree: Tree, _ reader: inout Reader) {
        guard let loss else {
            guard let law else { return }
            return remark(law, training, model, &reader)
        }
        func refuse(_ reason: String, _ advice: String) {
            reader.report(tree.entry(at: ["training", "target_loss"])?.place ?? tree.place, "training.target_loss", reason, advice)
        }
        guard let law else { return refuse("no law says how the loss falls", "write loss_law: chinchilla") }
        guard training.length == .oneStep, training.duration == nil else {
            return refuse("both a loss and a length are given", "remove one of the two")
        }
        guard model.kind == .transformer, model.causal else {
            return refuse("laws of loss are for decoders, and \(model.name) is none", "give tokens or steps")
        }
        guard model.moe == nil else {
            return refuse("the laws are for dense models, and nobody says what the experts of \(model.name) count", "give tokens or steps")
        }
        let parameters = Double(model.parameters.total)
        guard let tokens = law.tokens(to: loss, parameters: parameters), tokens < 9e18 else {
            let least = law.leastParameters(for: loss).map { "a model of more than \(significant($0 / 1e9, digits: 3)) B parameters" }
            return refuse(
                "\(model.name) never gets below \(significant(law.floor(parameters: parameters))) by this law",
                least.map { "write a higher loss, or take \($0)" } ?? "write a loss above \(law.irreducible)")
        }
        training.length = .tokens(Int64(tokens.rounded(.up)))
        var text = "training.target_loss: \(significant(loss)) takes \(significant(tokens / 1e9)) B tokens by \(law.source)"
        if let range = law.tokenRange(to: loss, parameters: parameters) {
            let high = range.high.map { "\(significant($0 / 1e9)) B" } ?? "never"
            text += "; \(significant((range.low ?? 0) / 1e9)) B to \(high) with E at its standard error"
        }
        reader.remark(text)
    }
}
