// swift-tools-version: 6.2
import PackageDescription

let package = Package(
    name: "numerics-benchmarks",
    dependencies: [.package(name: "orrery", path: "../..")],
    targets: [
        .executableTarget(
            name: "NumericsBench",
            dependencies: [.product(name: "Compression", package: "orrery"), .product(name: "Training", package: "orrery")]),
        .executableTarget(
            name: "NumericsClaims",
            dependencies: [.product(name: "Compression", package: "orrery"), .product(name: "Training", package: "orrery")]),
        .executableTarget(
            name: "KernelsBench",
            dependencies: [.product(name: "Kernels", package: "orrery"), .product(name: "Training", package: "orrery")]),
    ],
    swiftLanguageModes: [.v6]
)
