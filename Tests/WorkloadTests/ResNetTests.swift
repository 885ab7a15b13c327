import Testing

@testable import Workload

@Suite struct ResNetTests {
    static func model(_ depth: Int) -> Architecture {
        var model = Architecture(name: "resnet\(depth)")
        model.kind = .resnet(depth: depth, imageSize: 224)
        model.layers = depth == 50 ? 16 : 50
        return model
    }

    /// torchvision's counts, and multiply-adds of a 224 x 224 picture (4.09 and 11.51 G).
    @Test(arguments: [(50, 25_557_032, 4.09e9), (152, 60_192_808, 11.51e9)])
    func counts(depth: Int, parameters: Int, multiplyAdds: Double) throws {
        let model = Self.model(depth)
        #expect(model.parameters.total == parameters)
        let measured = try #require(model.multiplyAddsPerImage)
        #expect(abs(measured / multiplyAdds - 1) < 0.003)
        #expect(model.modelFLOPs(sequence: 1, globalBatch: 256) == 6 * measured * 256)
        try model.validate()
    }

    /// Stem, blocks and classifier together are the model: FLOPs forward and parameters.
    @Test func opsAreTheWholeModel() throws {
        let model = Self.model(50)
        let sharding = Shapes.sharding {
            $0.microBatch = 4
            $0.sequence = 1
        }
        let profiles =
            [model.embedding(sharding: sharding), model.head(sharding: sharding)] + (0..<16).map { model.layer(at: $0, sharding: sharding) }
        let forward = profiles.reduce(0) { $0 + $1.flops(in: .forward) }
        #expect(forward == 2 * (try #require(model.multiplyAddsPerImage)) * 4)
        #expect(profiles.reduce(0) { $0 + $1.flops(in: .weightGradient) } == forward)
        // The stem needs no gradient of its pictures: 2 x 64 x 147 x 112^2 a picture less.
        let stem = 4.0 * 2 * 64 * 147 * 112 * 112
        #expect(forward - profiles.reduce(0) { $0 + $1.flops(in: .inputGradient) } == stem)
        let blocks = (0..<16).reduce(0) { $0 + model.layerParameters(at: $1) }
        #expect(blocks + model.parameters.embedding + model.parameters.head == 25_557_032)
    }

    @Test func unknownDepthIsNamed() {
        #expect(Self.model(51).problems.map(\.description) == ["model.kind: a ResNet has 50, 101 or 152 layers, not 51"])
        #expect(Self.model(51).parameters.total == 0)
    }
}
